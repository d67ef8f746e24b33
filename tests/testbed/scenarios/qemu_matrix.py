# SPDX-License-Identifier: GPL-2.0-or-later
"""One plugin binary in the stock QEMU of three Debian releases, under TCG on this machine."""
import time

import stock
from channel import QmpError
from measure import query

NEEDS = ("qemu-plugin/trace-clock-sync.so",)
SETTLE_SECONDS = 10


def vmm(t, release, version):
    qemu = stock.qemu(release)
    t.note(f"QEMU {qemu.version()}")
    # sid moves on; what matters is that it is no older than the one this row is about.
    have = tuple(int(n) for n in qemu.version().split(".")[:2])
    assert have[0] == version if release != "sid" else have[0] >= version, have
    return qemu


def bare_machine(t, release, version):
    guest = t.local_guest("none", qemu=vmm(t, release, version), machine="none")
    assert "query-trace-clock-sync" in {c["name"] for c in guest.qmp("query-commands")}
    reply = query(guest)
    assert reply["vcpus"] == [], reply
    guest.qmp("quit")
    guest.close()


def settled(t, guest):
    """A reply whose vCPUs have the one offset that a machine under TCG has.

    QEMU sets its counter forward where the host's would run backward, which
    can be between two vCPUs' readings: then the one read later has the larger
    offset, and an epoch says so.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        reply = query(guest)
        assert reply["accel"] == "tcg" and reply["running"], reply
        assert all(v["source"] == "tcg" for v in reply["vcpus"]), reply
        earlier, later = sorted(reply["vcpus"], key=lambda v: v["counter-after"])
        step = later["offset"] - earlier["offset"]
        if abs(step) <= earlier["bound-ticks"] + later["bound-ticks"]:
            return reply
        t.note(f"QEMU set its counter forward between two vCPUs, by {step} ticks")
        assert step > 0, reply
        assert any(e["cpu-index"] == later["cpu-index"] and e["offset"] == later["offset"]
                   for e in reply["epochs"]), reply
        assert time.monotonic() < deadline, f"never at rest in {SETTLE_SECONDS} s: {reply}"


def running_guest(t, release, version):
    guest = t.local_guest("tcg", qemu=vmm(t, release, version), vcpus=2, paused=True)
    reply = query(guest)
    assert not reply["running"] and len(reply["vcpus"]) == 2, reply
    guest.qmp("cont")
    guest.shell.wait_ready(120)
    first = settled(t, guest)
    # QEMU's counter stands still while the machine does, so the offset moves at cont.
    guest.qmp("stop")
    stopped = query(guest)
    assert not stopped["running"], stopped
    guest.qmp("cont")
    second = query(guest)
    t.note(f"offset {first['vcpus'][0]['offset']}, after stop and cont "
           f"{second['vcpus'][0]['offset']}")
    assert second["vcpus"][0]["offset"] < first["vcpus"][0]["offset"]
    assert second["generation"] > first["generation"], (first, second)
    for arguments in ({"nonsense": 1}, {"vcpus": [2]}):
        try:
            guest.qmp("query-trace-clock-sync", arguments)
        except QmpError:
            continue
        raise AssertionError(f"accepted {arguments}")
    guest.qmp("quit")
    guest.close()


def check_7_none(t):
    """QEMU 7.2 (Debian 12), machine none: an empty list"""
    bare_machine(t, None, 7)


def check_7_guest(t):
    """QEMU 7.2 (Debian 12): -S, running, stop, cont"""
    running_guest(t, None, 7)


def check_10_none(t):
    """QEMU 10.0 (Debian 13), machine none: an empty list"""
    bare_machine(t, "trixie", 10)


def check_10_guest(t):
    """QEMU 10.0 (Debian 13): -S, running, stop, cont"""
    running_guest(t, "trixie", 10)


def check_11_none(t):
    """QEMU 11 (Debian unstable), machine none: an empty list"""
    bare_machine(t, "sid", 11)


def check_11_guest(t):
    """QEMU 11 (Debian unstable): -S, running, stop, cont"""
    running_guest(t, "sid", 11)
