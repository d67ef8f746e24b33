# SPDX-License-Identifier: GPL-2.0-or-later
"""Two libvirt domains on real KVM under one `record --all`: one of them is reset, saved and
restored, and each log is held against what KVM itself says of that domain's counter."""
import time

from libvirt_host import DomainLog, Libvirtd, mapping_at
from machines import PLUGIN
from measure import wait_for

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync")
HOST = {"libvirt": True}
VMS = ("web1", "web2")
RUNS = "/run/runs"


def check_start(t):
    """libvirtd starts two domains on KVM"""
    t.libvirtd = Libvirtd(t)
    for vm in VMS:
        t.libvirtd.define(vm, PLUGIN)
        t.libvirtd.virsh(f"start {vm}")
    # Of real KVM, or this fails.
    t.note({vm: t.libvirtd.kvm_offset(vm) for vm in VMS})
    t.web1, t.web2 = (DomainLog(t.host, f"{RUNS}/{vm}.tcs") for vm in VMS)


def check_record(t):
    """record --all goes on while a domain is reset, saved and restored"""
    t.host.check(f"trace-clock-sync record -o {RUNS} --all --connect qemu:///system --agent none "
                 "--timeout 20 --interval 0.2 </dev/null >/run/record.log 2>&1 & "
                 "echo $! >/run/record.pid")
    wait_for(t.host, f"[ -s {RUNS}/web1.tcs ] && [ -s {RUNS}/web2.tcs ]", 60)
    t.truth = []     # of web1: (its QEMU's offset, samples so far, and once that was known)

    def settled():
        begin = len(t.web1.samples())
        offset = t.libvirtd.kvm_offset("web1")
        t.web1.more()
        assert t.libvirtd.kvm_offset("web1") == offset
        t.truth.append((offset, begin, len(t.web1.samples())))
    other = t.libvirtd.kvm_offset("web2")
    settled()
    t.libvirtd.virsh("reset web1")
    t.web1.more(2)
    # KVM takes what would move a TSC by less than a second for no move at all.
    time.sleep(5)
    settled()
    count, start = len(t.web2.samples()), time.monotonic()
    t.libvirtd.virsh("save web1 /run/web1.saved")
    t.libvirtd.virsh("restore /run/web1.saved")
    t.web1.more(2)
    seconds = time.monotonic() - start
    count = len(t.web2.samples()) - count
    settled()
    t.note(f"{count} samples of the other domain meanwhile, in {seconds:.1f} s")
    t.web2.more()
    t.host.check("kill -INT $(cat /run/record.pid)")
    wait_for(t.host, "[ ! -d /proc/$(cat /run/record.pid) ]", 60)
    said = t.host.get("/run/record.log")
    t.note(said)
    assert "web1 is sampled again" in said and "web2: " not in said, said
    assert count >= 2, count
    assert t.libvirtd.kvm_offset("web2") == other
    t.other = other


def check_logs(t):
    """each sample and what map makes of it is KVM's own offset, then and there"""
    log = t.web2.samples()
    assert {s["qmp-after"]["vcpus"][0]["offset"] for s in log} == {t.other}
    ticks = [s["qmp-after"]["vcpus"][0]["counter-before"] for s in log]
    between = [(a + b) // 2 for a, b in zip(ticks, ticks[1:])]
    for tick, row in zip(ticks + between, t.web2.map(ticks + between)):
        assert row == ((tick + t.other) % 2**64,) * 3, (tick, row)
    log = t.web1.samples()
    ticks = [s["qmp-after"]["vcpus"][0]["counter-before"] for s in log]
    assert len({offset for offset, _, _ in t.truth}) == len(t.truth), t.truth
    for offset, begin, end in t.truth:
        # The first was perhaps under way when KVM was asked.
        for tick, row in zip(ticks[begin + 1:end], t.web1.map(ticks[begin + 1:end])):
            assert row == ((tick + offset) % 2**64,) * 3, (offset, tick, row)


def check_gap(t):
    """between two mappings a time is unknown, or what the later reply's history says

    Unknown for sure is what was before the new QEMU began.
    """
    replies = [s["qmp-after"] for s in t.web1.samples()]
    for old, new in zip(replies, replies[1:]):
        first, last = (r["vcpus"][0]["counter-after"] for r in (old, new))
        if old["generation"] == new["generation"] and \
                old["vcpus"][0]["thread-id"] == new["vcpus"][0]["thread-id"]:
            continue
        at = [first + (last - first) * i // 16 for i in range(1, 16)]
        rows = t.web1.map(at)
        t.note([(e["cause"], e["host-counter"] - first) for e in new["epochs"]])
        t.note(f"{rows.count(None)} of {len(rows)} times unknown, of {last - first} ticks")
        for tick, row in zip(at, rows):
            offset = mapping_at(new, tick)
            assert row is None or offset is not None and row[0] == (tick + offset) % 2**64, \
                (tick, offset, row)
        assert None in rows, rows
