#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long `map` takes to load a log of 20,000 samples, against the time this machine's Python
takes to parse the same lines, and how much memory. Argument: the build directory."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fake"))
from recording import Recording  # pylint: disable=wrong-import-position
from test_show_world import Vcpu, World  # pylint: disable=wrong-import-position

SAMPLES, ROUNDS = 20000, 3
RATIO_MAX, MEBIBYTES_MAX = 4.0, 64
PROGRAM = os.path.join(sys.argv[1], "collector", "trace-clock-sync")


def write(file):
    """A recording with two vCPUs; only the first samples are made with care."""
    world = World(vcpus=[Vcpu(0, offset=-5000), Vcpu(1, offset=-5000)])
    world.pause_ns = 10**9
    recording = Recording(world)
    for _ in range(SAMPLES):
        recording.sample()
        if len(recording.samples) == 1:
            file.write(recording.lines()[0] + "\n")
        file.write(json.dumps(recording.samples.pop(), separators=(",", ":")) + "\n")
        recording.samples.append(None)
        del world.queries[:], world.guest_calls[:], recording.samples[1:]
    return world


def run(path, *values):
    """(seconds of processor time, mebibytes, lines)"""
    with subprocess.Popen([PROGRAM, "map", path, "guest:mono", "host:mono", *map(str, values)],
                          stdout=subprocess.PIPE, text=True) as process:
        lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0, status
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines


def parse(path):
    start = time.process_time()
    with open(path, encoding="utf8") as file:
        for line in file:
            json.loads(line)
    return time.process_time() - start


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".tcs") as file:
        world = write(file)
        file.flush()
        size = os.path.getsize(file.name)
        value = world.guest["mono"].shown(world.now - 10**10)
        ours, reference, memory = [], [], 0
        for _ in range(ROUNDS):
            seconds, memory, _ = run(file.name, value)
            ours.append(seconds)
            reference.append(parse(file.name))
        values = [value - i * 10**6 for i in range(5000)]
        seconds, _, lines = run(file.name, *values)
        assert len(lines) == len(values)
    ratio = min(ours) / min(reference)
    print(f"{SAMPLES} samples, {size / 1e6:.0f} MB: {min(ours):.2f} s of processor time, "
          f"{SAMPLES / min(ours):.0f} samples/s, {memory:.0f} MiB; Python parses the lines in "
          f"{min(reference):.2f} s: {ratio:.2f} times as long (at most {RATIO_MAX})")
    print(f"5000 values more: {seconds - min(ours):.2f} s")
    assert ratio < RATIO_MAX and memory < MEBIBYTES_MAX, (ratio, memory)


if __name__ == "__main__":
    main()
