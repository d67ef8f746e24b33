#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`record --all` of many libvirt domains at once, each with a QEMU of its own: bare machines under
TCG, most of them paused, which costs no CPU. Argument: the build directory. TCS_DOMAINS in the
environment says how many."""
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from libvirt_recording import Recording, daemon, main
from probe import LIMIT
from recording import run_map

# Two busy cores (a load of 12) started 50 in 31 s.
WANTED = int(os.environ.get("TCS_DOMAINS", "50"))
DOMAIN_MB = 40          # a QEMU of 16 MB takes 15, and then some
RUNNING = 3             # the rest is paused
INTERVAL_S, PHASE_S = 0.5, 6


def available_mb():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable: *(\d+)", file.read())[1]) // 1024


VMS = [f"vm{n:03}" for n in range(max(RUNNING + 2, min(WANTED, available_mb() // 2 // DOMAIN_MB)))]


def start(name):
    daemon().define(name, memory=16)
    daemon().virsh("start", name, *(["--paused"] if VMS.index(name) >= RUNNING else []))


def counts(recording):
    return {vm: len(recording.samples(vm)) for vm in VMS}


def wait_all(recording, count):
    deadline = time.monotonic() + LIMIT
    while min(counts(recording).values()) < count:
        assert time.monotonic() < deadline, counts(recording)
        time.sleep(0.1)


def phase(recording):
    """How many samples each domain got in PHASE_S seconds."""
    before = counts(recording)
    time.sleep(PHASE_S)
    return {vm: n - before[vm] for vm, n in counts(recording).items()}


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(dict(line.split(":", 1) for line in file)[field].split()[0])


def rss_mb(vm):
    return status(daemon().qemu_pid(vm), "RssAnon") // 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf8") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_start():
    """that many domains start"""
    begin = time.monotonic()
    daemon()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, VMS))
    print(f"# {len(VMS)} domains, {RUNNING} of them running, in {time.monotonic() - begin:.0f} s, "
          f"{sum(rss_mb(vm) for vm in VMS)} MB")
    if len(VMS) < WANTED:
        print(f"# not {WANTED}: that takes {2 * WANTED * DOMAIN_MB} MB of available memory")


def test_record():
    """all are recorded at once; one whose QEMU hangs is told, and delays none of the others"""
    hung = daemon().qemu_pid(VMS[-1])
    with Recording("--all", "--interval", str(INTERVAL_S), "--timeout", "2") as recording:
        wait_all(recording, 2)
        spent = cpu_seconds(recording.process.pid)
        usual = phase(recording)
        spent = cpu_seconds(recording.process.pid) - spent
        os.kill(hung, signal.SIGSTOP)
        try:
            beside = phase(recording)
        finally:
            os.kill(hung, signal.SIGCONT)
        recording.wait_samples(3, VMS[-1])
        megabytes = status(recording.process.pid, "VmHWM") // 1024
        threads = status(recording.process.pid, "Threads")
        ended, err = recording.stop()
        others = VMS[:-1]
        print(f"# samples of each in {PHASE_S} s, one every {INTERVAL_S} s: "
              f"{min(usual.values())} to {max(usual.values())}; beside one that hangs: "
              f"{min(beside[vm] for vm in others)} to {max(beside[vm] for vm in others)}, "
              f"its own {beside[VMS[-1]]}")
        print(f"# record: {spent / sum(usual.values()) * 1000:.2f} ms of CPU a sample, "
              f"{megabytes} MB, {threads} threads")
        assert ended == 0, (ended, err)
        assert f"domain {VMS[-1]}: libvirt gave no answer to query-trace-clock-sync" in err, err
        assert f"{VMS[-1]} is sampled again" in err, err
        # Once for each reason: no answer to the query, then none to a new connection.
        told = [line for line in err.splitlines() if "going on" in line]
        assert 1 <= len(told) <= 2 and all(f"domain {VMS[-1]}" in line for line in told), err
        assert beside[VMS[-1]] <= 1, beside
        # What a busy machine costs, it costs in both phases. One that waited for the hung one would get three a phase.
        slow = {vm: (usual[vm], beside[vm]) for vm in others if beside[vm] < usual[vm] // 2}
        assert min(usual.values()) >= 3 and not slow, (usual, slow)
        assert sorted(os.listdir(recording.output)) == [f"{vm}.tcs" for vm in VMS]
        check_logs(recording)


def check_logs(recording):
    """Each log is of a QEMU of its own, and map reads it. Where the VM has been paused all the time it knows but
    the host's clocks."""
    threads = set()
    for number, vm in enumerate(VMS):
        samples = [s["qmp-after"]["vcpus"][0] for s in recording.samples(vm)]
        assert len({s["thread-id"] for s in samples}) == 1, vm
        threads.add(samples[0]["thread-id"])
        counters = [s["counter-before"] for s in samples]
        mapped = run_map(recording.path(vm), "host:x86-tsc", "host:mono", *counters)
        assert mapped.status == 0 and "warning" not in mapped.err, (vm, mapped.err)
        mapped = run_map(recording.path(vm), "host:x86-tsc", "guest:x86-tsc", *counters)
        if number >= RUNNING:
            assert mapped.status and "has no clock 'guest:x86-tsc'" in mapped.err, (vm, mapped.err)
            continue
        assert mapped.status == 0 and "warning" not in mapped.err, (vm, mapped.err)
        for (_, low, high), s in zip(mapped.values, samples):
            truth = (s["counter-before"] + s["offset"]) % 2**64
            assert low - s["bound-ticks"] <= truth <= high + s["bound-ticks"], (low, truth, high)
    assert len(threads) == len(VMS), "a QEMU is in two logs"


if __name__ == "__main__":
    sys.exit(main(globals()))
