#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`perf inject --guest-data`, run by the real perf with what `export` writes. Both perf.data are
recorded on this machine; the "VM" is a program with threads named as QEMU names its vCPUs', and
the log says that the guest's clock is seven seconds behind. Argument: the build directory."""
import os
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction

import cases
from test_export import Export, perf_reader
from test_show_world import Clock, World

BEHIND_NS = 7 * 10**9
VM = """
import ctypes, os, sys, threading, time
def vcpu(number):
    ctypes.CDLL(None).prctl(15, b"CPU %d/KVM" % number, 0, 0, 0)
    while not done.wait(0.001):
        pass
done = threading.Event()
threads = [threading.Thread(target=vcpu, args=(n,)) for n in range(os.cpu_count())]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.read()
done.set()
"""
EVENT = re.compile(r"(\d+)\.(\d{9}): PERF_RECORD_COMM exec: true:(\d+)/\d+")


def perf(*words, folder):
    done = subprocess.run(["perf", *map(str, words)], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def record(output, *words, folder):
    perf("record", "-q", "-k", "CLOCK_MONOTONIC", "-e", "cpu-clock:u", "--sample-identifier", "--sample-cpu",
         "--buildid-all", "--switch-events", "-o", output, *words, folder=folder)


def starts_of_true(name, folder):
    """{pid: ns} of the moments at which `true` was started"""
    shown = perf("script", "-i", name, "--show-task-events", "--ns", folder=folder)
    return {int(pid): int(s) * 10**9 + int(ns) for s, ns, pid in EVENT.findall(shown)}


def need_perf(folder):
    if not shutil.which("perf"):
        cases.skip("perf is not installed (linux-perf)")
    try:
        record("try.data", "true", folder=folder)
    except AssertionError as e:
        cases.skip(f"perf cannot record here: {str(e.args[0][1])[:100]!r}")


def live_world():
    """a log's world around the present of this machine's CLOCK_MONOTONIC"""
    world = World(seed=5)
    start, rate = world.now, Fraction(10**6, world.khz)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    world.host["mono"] = Clock(start, now - 10**9, rate)
    world.guest["mono"] = Clock(start, now - 10**9 - BEHIND_NS, rate)
    world.pause_ns = 10**10
    return world


def test_inject():
    """perf inject puts a guest's events where the exported numbers say"""
    with Export(live_world()) as export:
        need_perf(export.path)
        with subprocess.Popen([sys.executable, "-c", VM], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as vm:
            assert vm.stdout.readline() == b"ready\n"
            record("perf.data", "-p", vm.pid, "--", "sleep", "0.3", folder=export.path)
            record("perf.data.guest", "--", "sh", "-c", "/bin/true; /bin/true; :",
                   folder=export.path)
            text = export.run("perf", "--pid", vm.pid, "--guest-clock", "mono", "--host-clock",
                              "mono").strip()
            vm.stdin.close()
        worst = export.told()[0]
        perf("inject", "-i", "perf.data", "-o", "merged.data", f"--guest-data={text}",
             folder=export.path)
        before = starts_of_true("perf.data.guest", export.path)
        after = starts_of_true("merged.data", export.path)
        assert len(before) == 2 and set(before) == set(after), (before, after)
        reader = perf_reader(text)
        for pid, stamp in before.items():
            assert after[pid] == reader(stamp), (text, stamp, after[pid])
            assert abs(after[pid] - (stamp + BEHIND_NS)) <= worst, (after[pid] - stamp, worst)


if __name__ == "__main__":
    os.environ["PERF_CONFIG"] = os.devnull
    cases.run(globals())
