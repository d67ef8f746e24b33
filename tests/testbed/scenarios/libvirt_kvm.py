# SPDX-License-Identifier: GPL-2.0-or-later
"""Two libvirt domains on real KVM under one `record --all`: one of them is reset, saved and
restored, and each log is held against what KVM itself says of that domain's counter."""
import json
import time

import libvirt_host
from machines import PLUGIN
from measure import wait_for

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync")
HOST = {"libvirt": True}
VMS = ("web1", "web2")
RUNS = "/run/runs"
TICKS = "host:x86-tsc guest:x86-tsc"


def virsh(t, words, timeout=120):
    start = time.monotonic()
    out = t.host.check(f"virsh -c qemu:///system {words}", timeout)
    t.note(f"virsh {words}: {time.monotonic() - start:.1f} s")
    return out


def kvm_offset(t, vm):
    return libvirt_host.kvm_offset(t.host, vm)


def samples(t, vm):
    return [json.loads(line) for line in t.host.get(f"{RUNS}/{vm}.tcs").splitlines()[1:]]


def more(t, vm, count=4):
    """Returns when so many samples have been added."""
    lines = int(t.host.check(f"wc -l <{RUNS}/{vm}.tcs"))
    wait_for(t.host, f"[ $(wc -l <{RUNS}/{vm}.tcs) -ge {lines + count} ]", 60)


def mapped(t, vm, values):
    """[(value, low, high) or None where it is unknown]."""
    result = t.host.run(f"trace-clock-sync map {RUNS}/{vm}.tcs {TICKS} "
                        + " ".join(map(str, values)), 60)
    rows = [line.split() for line in result.out.splitlines()]
    assert len(rows) == len(values) and "warning" not in result.err, (result.out, result.err)
    return [None if row[0] == "unknown" else tuple(int(w) for w in row[:3]) for row in rows]


def check_start(t):
    """libvirtd starts two domains on KVM"""
    try:
        libvirt_host.start(t.host)
        for vm in VMS:
            libvirt_host.define(t.host, vm, PLUGIN)
            virsh(t, f"start {vm}")
    except Exception:
        t.note(libvirt_host.logs(t.host))
        raise
    # Of real KVM, or this fails.
    t.note({vm: kvm_offset(t, vm) for vm in VMS})


def check_record(t):
    """record --all goes on while a domain is reset, saved and restored"""
    t.host.check(f"trace-clock-sync record -o {RUNS} --all --connect qemu:///system --agent none "
                 "--timeout 20 --interval 0.2 </dev/null >/run/record.log 2>&1 & "
                 "echo $! >/run/record.pid")
    wait_for(t.host, f"[ -s {RUNS}/web1.tcs ] && [ -s {RUNS}/web2.tcs ]", 60)
    t.truth = []     # of web1: (its QEMU's offset, samples so far, and once that was known)

    def settled():
        begin = len(samples(t, "web1"))
        offset = kvm_offset(t, "web1")
        more(t, "web1")
        assert kvm_offset(t, "web1") == offset
        t.truth.append((offset, begin, len(samples(t, "web1"))))
    other = kvm_offset(t, "web2")
    settled()
    virsh(t, "reset web1")
    more(t, "web1", 2)
    # KVM takes what would move a TSC by less than a second for no move at all.
    time.sleep(5)
    settled()
    count, start = len(samples(t, "web2")), time.monotonic()
    virsh(t, "save web1 /run/web1.saved")
    virsh(t, "restore /run/web1.saved")
    more(t, "web1", 2)
    seconds = time.monotonic() - start
    count = len(samples(t, "web2")) - count
    settled()
    t.note(f"{count} samples of the other domain meanwhile, in {seconds:.1f} s")
    more(t, "web2")
    t.host.check("kill -INT $(cat /run/record.pid)")
    wait_for(t.host, "[ ! -d /proc/$(cat /run/record.pid) ]", 60)
    said = t.host.get("/run/record.log")
    t.note(said)
    assert "web1 is sampled again" in said and "web2: " not in said, said
    assert count >= 2, count
    assert kvm_offset(t, "web2") == other
    t.other = other


def check_logs(t):
    """each sample and what map makes of it is KVM's own offset, then and there"""
    log = samples(t, "web2")
    assert {s["qmp-after"]["vcpus"][0]["offset"] for s in log} == {t.other}
    ticks = [s["qmp-after"]["vcpus"][0]["counter-before"] for s in log]
    between = [(a + b) // 2 for a, b in zip(ticks, ticks[1:])]
    for tick, row in zip(ticks + between, mapped(t, "web2", ticks + between)):
        assert row == ((tick + t.other) % 2**64,) * 3, (tick, row)
    log = samples(t, "web1")
    ticks = [s["qmp-after"]["vcpus"][0]["counter-before"] for s in log]
    assert len({offset for offset, _, _ in t.truth}) == len(t.truth), t.truth
    for offset, begin, end in t.truth:
        # The first was perhaps under way when KVM was asked.
        for tick, row in zip(ticks[begin + 1:end], mapped(t, "web1", ticks[begin + 1:end])):
            assert row == ((tick + offset) % 2**64,) * 3, (offset, tick, row)


def mapping_at(reply, tick):
    """The offset that a QEMU's history has for that time; None: before its beginning."""
    known = [e["offset"] for e in reply["epochs"] if e["host-counter"] <= tick]
    return known[-1] if known else None


def check_gap(t):
    """between two mappings a time is unknown, or what the later reply's history says

    Unknown for sure is what was before the new QEMU began.
    """
    replies = [s["qmp-after"] for s in samples(t, "web1")]
    for old, new in zip(replies, replies[1:]):
        first, last = (r["vcpus"][0]["counter-after"] for r in (old, new))
        if old["generation"] == new["generation"] and \
                old["vcpus"][0]["thread-id"] == new["vcpus"][0]["thread-id"]:
            continue
        at = [first + (last - first) * i // 16 for i in range(1, 16)]
        rows = mapped(t, "web1", at)
        t.note([(e["cause"], e["host-counter"] - first) for e in new["epochs"]])
        t.note(f"{rows.count(None)} of {len(rows)} times unknown, of {last - first} ticks")
        for tick, row in zip(at, rows):
            offset = mapping_at(new, tick)
            assert row is None or offset is not None and row[0] == (tick + offset) % 2**64, \
                (tick, offset, row)
        assert None in rows, rows
