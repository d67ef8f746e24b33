# SPDX-License-Identifier: GPL-2.0-or-later
"""Many queries of one stock QEMU while a vCPU is plugged in and out and the machine is reset, and a
recording beside them: what all of it leaves in memory. SOAK_QUERIES says how many (make soak: 100,000)."""
import os
import time

from machines import BINARIES
from measure import OUR_PORT, query, start_agent
from recording import Here, Recording

import stock

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
QUERIES = int(os.environ.get("SOAK_QUERIES", "2000"))
CYCLES, RESETS = 20, 4
# What a heap may creep by in the second half of the run. 100,000 queries would make 50,000 x 42 bytes of it.
CREEP_KIB = 2048
AGENT_SECONDS = max(10, QUERIES // 1000)


def kib(path, field):
    with open(path, encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(field + ":")).split()[1])


def anonymous(pid):
    """The guest's memory is a file, so this is QEMU's own."""
    return kib(f"/proc/{pid}/status", "RssAnon")


def creep(t, what, sizes):
    t.note(f"{what}, KiB: {sizes}")
    half = len(sizes) // 2
    grown = max(sizes[half:]) - max(sizes[:half])
    assert grown <= CREEP_KIB, f"{what} grew by {grown} KiB in the second half: {sizes}"


def check_boot(t):
    """a stock QEMU, and a recording of it without end"""
    t.here = Here(t.workshop.build.absolute() / "collector")
    t.vm = t.local_guest(
        "soak", qemu=stock.qemu("trixie"), accel="tcg,tb-size=16", vcpus="1,maxcpus=2", timeout=300,
        args=["-object", "memory-backend-memfd,id=ram,size=256M,share=on",
              "-M", "memory-backend=ram", "-action", "reboot=reset"])
    t.recording = Recording(t.here, t.workshop.path("soak.tcs"), f"--qmp {t.vm.qmp_path}", 0.02)
    t.slot, = (s for s in t.vm.qmp("query-hotpluggable-cpus") if "qom-path" not in s)


def unplug(t):
    """Queries until the guest has let go of it; returns how many."""
    asked = 0
    t.vm.qmp("device_del", {"id": "cpu1"})
    deadline = time.monotonic() + 120
    while not any(e["event"] == "DEVICE_DELETED" and e["data"].get("device") == "cpu1"
                  for e in t.vm.monitor.events):
        assert time.monotonic() < deadline, "the guest does not let go of the vCPU"
        query(t.vm)
        asked += 1
        time.sleep(0.02)  # one after another they leave an emulated vCPU no time to do it
    t.vm.monitor.events.clear()
    return asked


def check_queries(t):
    """QEMU's memory and the collector's stay as they are"""
    pid, qemu, collector, asked = t.vm.process.process.pid, [], [], 0
    start = time.monotonic()
    number = 0  # of vCPUs the guest has seen come since it booted
    for cycle in range(CYCLES):
        number += 1
        t.vm.qmp("device_add", {"driver": t.slot["type"], "id": "cpu1", **t.slot["props"]})
        # The guest's event of its own, after which it lets go again.
        t.vm.shell.check("until dmesg | grep -c 'CPU1 has been hot-added' | grep -qx "
                         f"{number}; do usleep 50000; done", 120)
        for _ in range(QUERIES // CYCLES):
            query(t.vm)
        asked += QUERIES // CYCLES + unplug(t)
        if cycle % (CYCLES // RESETS) == 2:
            t.vm.qmp("system_reset")
            t.vm.shell.wait_ready(300)
            number = 0
        qemu.append(anonymous(pid))
        collector.append(kib(f"/proc/{t.recording.pid}/status", "VmRSS"))
    t.note(f"{asked} queries in {time.monotonic() - start:.0f} s, {CYCLES} times plugged and "
           f"unplugged, {RESETS} resets, {len(query(t.vm)['epochs'])} epochs kept")
    assert asked >= QUERIES
    t.note(t.recording.stop())
    creep(t, "QEMU", qemu)
    creep(t, "record", collector)


def check_agent(t):
    """the agent's memory stays as it is"""
    program = BINARIES["guest-agent/trace-clock-agent"]
    pid = start_agent(t.vm.shell, f"serial:/dev/virtio-ports/{OUR_PORT}", program)
    recording = Recording(t.here, t.workshop.path("agent.tcs"),
                          f"--qmp {t.vm.qmp_path} --agent unix:{t.vm.agent_socket(OUR_PORT)} "
                          "--samples 2", 0.02)
    sizes = []
    for _ in range(10):
        time.sleep(AGENT_SECONDS / 10)
        sizes.append(int(t.vm.shell.check(f"grep VmRSS /proc/{pid}/status").split()[1]))
    t.note(recording.stop())
    creep(t, "agent", sizes)
