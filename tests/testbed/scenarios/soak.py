# SPDX-License-Identifier: GPL-2.0-or-later
"""Many queries of one QEMU under KVM while a vCPU is plugged in and out and the machine is reset, with a
recording beside them: what all of it leaves in memory. SOAK_QUERIES says how many: 500 without it, where the path is what
is tested; make soak: 100,000, where a leak of 42 bytes a query fails.
Not under TCG: an unmodified QEMU aborts there when a vCPU is plugged in again."""
import os
import statistics
import time

from measure import query, start_agent, wait_for
from recording import Recording

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
QUERIES = int(os.environ.get("SOAK_QUERIES", "500"))
# Few in the short form: a reset takes the emulated machine as long as some hundred queries.
CYCLES, RESETS = (20, 4) if QUERIES >= 2000 else (2, 1)
# What memory may creep by in the second half of the run: 42 bytes for each of 50,000 queries.
CREEP_KIB = 2048
AGENT_SECONDS = max(10, QUERIES // 1000)


def kib(machine, pid, field):
    return int(machine.check(f"grep {field}: /proc/{pid}/status").split()[1])


def creep(t, what, sizes):
    t.note(f"{what}, KiB: {sizes}")
    # Not the largest: a vCPU's thread that is just going still has its stack.
    half = len(sizes) // 2
    grown = statistics.median(sizes[half:]) - statistics.median(sizes[:half])
    assert grown <= CREEP_KIB, f"{what} grew by {grown} KiB in the second half: {sizes}"


def check_boot(t):
    """a stock QEMU, and a recording of it without end"""
    t.vm = t.host.boot_guest(
        "soak", cid=3, vcpus="1,maxcpus=2",
        args=["-object", "memory-backend-memfd,id=ram,size=256M,share=on",
              "-M", "memory-backend=ram", "-action", "reboot=reset"])
    t.recording = Recording(t.host, "/run/soak.tcs", f"--qmp {t.vm.qmp_path}", 0.2)
    t.slot, = (s for s in t.vm.qmp("query-hotpluggable-cpus") if "qom-path" not in s)


def unplug(t):
    """Queries until the guest has let go of it; returns how many."""
    asked = 0
    t.vm.qmp("device_del", {"id": "cpu1"})
    deadline = time.monotonic() + 60
    while not any(e["event"] == "DEVICE_DELETED" and e["data"].get("device") == "cpu1"
                  for e in t.vm.monitor.events):
        assert time.monotonic() < deadline, "the guest does not let go of the vCPU"
        query(t.vm)
        asked += 1
    t.vm.monitor.events.clear()
    return asked


def check_queries(t):
    """QEMU's memory and the collector's stay as they are"""
    qemu, collector, asked, start = [], [], 0, time.monotonic()
    for cycle in range(CYCLES):
        t.vm.qmp("device_add", {"driver": t.slot["type"], "id": "cpu1", **t.slot["props"]})
        # A guest that has not noticed a vCPU yet does not let go of it either.
        wait_for(t.vm, "[ -d /sys/devices/system/cpu/cpu1 ]")
        for _ in range(QUERIES // CYCLES):
            query(t.vm)
        asked += QUERIES // CYCLES + unplug(t)
        if cycle % (CYCLES // RESETS) == CYCLES // RESETS // 2:
            t.vm.qmp("system_reset")
            t.vm.shell.wait_ready(150)
        # The guest's memory is a file, so this is QEMU's own.
        qemu.append(kib(t.host, t.vm.pid, "RssAnon"))
        collector.append(kib(t.host, t.recording.pid, "VmRSS"))
    t.note(f"{asked} queries in {time.monotonic() - start:.0f} s, {CYCLES} times plugged and "
           f"unplugged, {RESETS} resets, {len(query(t.vm)['epochs'])} epochs kept")
    t.note(t.recording.stop())
    creep(t, "QEMU", qemu)
    creep(t, "record", collector)


def check_agent(t):
    """the agent's memory stays as it is"""
    pid = start_agent(t.vm, "vsock")
    recording = Recording(t.host, "/run/agent.tcs",
                          f"--qmp {t.vm.qmp_path} --agent vsock:3 --samples 2", 0.05)
    sizes = []
    for _ in range(10):
        time.sleep(AGENT_SECONDS / 10)
        sizes.append(kib(t.vm, pid, "VmRSS"))
    t.note(recording.stop())
    creep(t, "agent", sizes)
