# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose TSC runs at another frequency than the host's: hardware scaling, on real KVM."""
import json
import shlex
import time
from fractions import Fraction

from machines import PLUGIN
from measure import (CLOCKS, clock, exact, query, show, show_ok, start_agent,
                     straight_line_through, to_guest, wait_for)

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling"}
SHIFT = 32  # of SVM
RUNS = 60
# A bound as wide as this one would hold, and be of no use.
USELESS_NS = 1_000_000
# name: (vsock CID, kHz); the host has about 2 GHz
GUESTS = {"slow": (3, 1_000_000), "fast": (4, 3_000_000)}


def check_host(t):
    """L1's KVM has TSC scaling"""
    log = t.host.check("dmesg | grep -i tsc")
    t.note(log)
    assert "TSC scaling supported" in log


def scaled_exactly(guest, khz):
    """What exact() asserts, and that scaling is what it is; returns the reply."""
    reply = exact(guest)
    ratio = (khz << SHIFT) // reply["host-counter-khz"]
    for vcpu in reply["vcpus"]:
        assert "tsc-scaling-ratio" in guest.debugfs(vcpu["cpu-index"]), "KVM does not scale here"
        assert vcpu["ratio"] == {"multiplier": ratio, "shift": SHIFT}, (vcpu, ratio)
        assert vcpu["ratio-source"] == "kvm-khz", vcpu
        assert vcpu["guest-counter-khz"] == khz, vcpu
    return reply


def check_boot(t):
    """guests of 1 GHz and 3 GHz boot: offset and ratio equal debugfs bit for bit"""
    t.guests = {}
    for name, (cid, khz) in GUESTS.items():
        start = time.monotonic()
        guest = t.host.boot_guest(name, cid=cid, vcpus=2, cpu=f"host,tsc-frequency={khz}000")
        t.note(f"{name}: boots in {time.monotonic() - start:.1f} s")
        t.guests[name] = guest
        t.note(scaled_exactly(guest, khz)["vcpus"])
        t.note(guest.check("dmesg | grep -i 'tsc:'"))


def each(t):
    assert len(t.guests) == len(GUESTS), "not all guests have booted"
    return [(t.guests[name], name, cid, khz) for name, (cid, khz) in GUESTS.items()]


def check_busy(t):
    """the same numbers while the vCPUs are busy, and after stop and cont"""
    for guest, _, _, khz in each(t):
        first = scaled_exactly(guest, khz)
        guest.check("for i in 1 2; do timeout 3 sh -c 'while :; do :; done' & done")
        for _ in range(5):
            assert scaled_exactly(guest, khz)["generation"] == first["generation"]
        guest.qmp("stop")
        scaled_exactly(guest, khz)
        guest.qmp("cont")
        assert scaled_exactly(guest, khz)["generation"] == first["generation"]


def check_guest_readings(t):
    """the guests' own readings of their counters lie where the map puts them"""
    for guest, name, _, _ in each(t):
        for _ in range(10):
            before = query(guest)["vcpus"]
            reply = json.loads(guest.check("trace-clock-agent --once --cpus 0,1"))
            after = query(guest)["vcpus"]
            assert {r["cpu"] for r in reply["readings"]} == {0, 1}, reply
            for r in reply["readings"]:
                first = to_guest(before[r["cpu"]], before[r["cpu"]]["counter-after"])
                last = to_guest(after[r["cpu"]], after[r["cpu"]]["counter-before"])
                assert first < r["counter-before"] <= r["counter-after"] < last, (first, r, last)
        t.note(f"{name}: window of {last - first} guest ticks")


def check_collect(t):
    """60 runs of show on each guest: x86-tsc within 1 tick of KVM's own map"""
    t.rows = {}
    for guest, name, cid, _ in each(t):
        start_agent(guest, "vsock")
        vcpus = exact(guest)["vcpus"]
        for _ in range(RUNS):
            document = show_ok(t.host, f"--qmp {guest.qmp_path} --agent vsock:{cid}")
            rows = clock(document, "x86-tsc")
            assert len(rows) == len(vcpus), rows
            for row, vcpu in zip(rows, vcpus):
                truth = to_guest(vcpu, row["host-value"])
                assert row["unit"] == "ticks" and row["bound"] <= 1, row
                assert abs(row["guest-value"] - truth) <= row["bound"], (row, truth)
                assert row["offset"] == row["guest-value"] - row["host-value"], row
                rate = Fraction(vcpu["ratio"]["multiplier"], 1 << vcpu["ratio"]["shift"])
                assert abs(Fraction(row["rate"]) - rate) < Fraction(1, 2**50), (row, rate)
            for clock_name in CLOCKS:
                row, = clock(document, clock_name)
                t.rows.setdefault((name, clock_name), []).append(row)
        assert exact(guest)["vcpus"][0]["offset"] == vcpus[0]["offset"], "the truth has moved"


def check_consistent(t):
    """for every clock of each guest, one straight line crosses all intervals"""
    assert len(t.rows) == len(GUESTS) * len(CLOCKS), t.rows.keys()
    wrong = []
    for key, rows in t.rows.items():
        bounds = sorted(r["bound"] for r in rows)
        t.note(f"{key}: {len(rows)} runs, bound {bounds[0]} / median {bounds[len(bounds) // 2]} / "
               f"{bounds[-1]} ns")
        assert len(rows) == RUNS and bounds[-1] < USELESS_NS, (key, bounds)
        problem = straight_line_through([
            (Fraction(r["host-value"]), Fraction(r["offset"]) - r["bound"],
             Fraction(r["offset"]) + r["bound"]) for r in rows])
        if problem:
            wrong.append(f"{key}: {problem}")
    assert not wrong, "\n".join(wrong)


def check_unscaled(t):
    """a guest of the host's frequency on the same KVM: ratio 1, as debugfs says"""
    guest = t.host.boot_guest("same", cid=5, vcpus=1, paused=True)
    vcpu, = exact(guest)["vcpus"]
    assert vcpu["ratio"] == {"multiplier": 1 << SHIFT, "shift": SHIFT}, vcpu
    assert vcpu["ratio-source"] == "unity", vcpu
    t.host_khz = query(guest)["host-counter-khz"]
    guest.quit()


def judged(t, khz, plugin_option=""):
    """A guest of this frequency, not started: (its vCPU in show, KVM's ratio, show's status).

    It takes none of the few ports that lead into L1, so there may be any number.
    """
    words = [*t.host.qemu.command(t.host.qemu_root), "-M", "q35", "-S", "-nodefaults", "-display",
             "none", "-m", 64, "-accel", "kvm", "-cpu", f"host,tsc-frequency={khz}000",
             "-plugin", PLUGIN + plugin_option, "-qmp", "unix:/run/judged.qmp,server=on,wait=off"]
    pid = int(t.host.check(f"{shlex.join(map(str, words))} </dev/null >/run/judged.log 2>&1 & "
                           "echo $!"))
    # The directory appears with the VM, the file with the vCPU.
    ratio_file = f"/sys/kernel/debug/kvm/{pid}-*/vcpu0/tsc-scaling-ratio"
    wait_for(t.host, f"cat {ratio_file} && test -S /run/judged.qmp")
    time.sleep(0.2)  # until the host's frequency can be measured where it is not told
    status, document, _ = show(t.host, "--qmp /run/judged.qmp")
    ratio = int(t.host.check(f"cat {ratio_file}"))
    t.host.check(f"kill -9 {pid}; while [ -d /proc/{pid} ]; do usleep 20000; done; "
                 "rm -f /run/judged.qmp")
    assert document, "show printed nothing"
    vcpu, = document["vcpus"]
    assert vcpu["guest-counter-khz"] == khz, vcpu
    return vcpu, ratio, status


def near(t):
    """The frequencies around those where KVM begins to scale."""
    low = t.host_khz * (1000000 - 250) // 1000000
    high = t.host_khz * (1000000 + 250) // 1000000
    return low - 1, low, high, high + 1


def check_frequencies(t):
    """other frequencies, and those where KVM begins to scale: the ratio is KVM's, bit for bit"""
    seen = set()
    for khz in (*near(t), t.host_khz // 3 + 1, 999_983, 2_500_001, 4_095_999):
        vcpu, ratio, status = judged(t, khz)
        t.note(f"{khz} kHz on {t.host_khz}: {ratio} {vcpu['ratio-source']}")
        assert status == 0 and vcpu["stable"], vcpu
        assert vcpu["ratio"] == {"multiplier": ratio, "shift": SHIFT}, (vcpu, ratio)
        seen.add(vcpu["ratio-source"])
    assert seen == {"unity", "kvm-khz"}, seen


def check_fallback(t):
    """source=kvm-msr cannot know the ratio of a scaled guest, and says so"""
    for khz in (1_000_000, 3_000_000):
        vcpu, _, status = judged(t, khz, ",source=kvm-msr")
        t.note(vcpu["reason"])
        assert not vcpu["stable"] and "scaled" in vcpu["reason"], vcpu
        assert "offset" not in vcpu and status == 4, (vcpu, status)


def check_fallback_near(t):
    """source=kvm-msr where scaling begins: either KVM's ratio, or a refusal"""
    for khz in (*near(t), t.host_khz):
        vcpu, ratio, status = judged(t, khz, ",source=kvm-msr")
        t.note(f"{khz} kHz on {t.host_khz}: {vcpu.get('ratio-source')} {vcpu.get('reason')}")
        if vcpu["stable"]:
            assert status == 0
            assert vcpu["ratio"] == {"multiplier": ratio, "shift": SHIFT}, (vcpu, ratio)
        else:
            assert vcpu["reason"] and status == 4 and khz != t.host_khz, vcpu
