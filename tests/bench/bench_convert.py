#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast `convert` rewrites what `trace-cmd report` prints, against the time trace-cmd takes to
print it. Argument: the build directory.

Both are processor time, so that other work on the machine does not decide. The events are the cheapest
to print there are, one number each, which is hard on the ratio."""
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "fake"), str(HERE.parent)]

import trace_dat  # noqa: E402
from trace_report import TRACE_CMD  # noqa: E402
from traced_world import SECOND, World  # noqa: E402

EVENTS, ROUNDS, RATIO_MIN = 1_000_000, 3, 10.0
PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"


def write_trace(world, path):
    rng = random.Random(1)
    cpus = {0: [], 1: []}
    base, rate = world.guest["mono"]
    at, step = int(base + SECOND * rate // 2), int((world.seconds - 1) * 10**9 / EVENTS)
    for number in range(EVENTS):
        at += rng.randrange(1, 2 * step)
        cpus[number % 2].append((at, "tick", 7, number))
    trace_dat.TraceDat("mono", cpus).write(path)


def seconds(command, source, target):
    """Processor time of a command from one file to another."""
    with open(source, "rb") as stdin, open(target, "wb") as stdout, \
            subprocess.Popen(command, stdin=stdin, stdout=stdout,
                             stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0, (command, status)
    return usage.ru_utime + usage.ru_stime


def main():
    if not TRACE_CMD:
        print("trace-cmd is not installed: nothing to compare with")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="tcs-bench-") as name:
        folder = Path(name)
        world = World(seconds=20)
        log = world.write_log(folder / "run.tcs")
        trace, text = folder / "guest.dat", folder / "guest.txt"
        write_trace(world, trace)
        command = [PROGRAM, "convert", log, "--from", "guest:mono", "--to", "host:boot"]
        print_times, convert_times = [], []
        report = [TRACE_CMD, "report", "-t", "-i", trace]
        seconds(report, "/dev/null", text)
        seconds(command, text, folder / "host.txt")
        for _ in range(ROUNDS):
            print_times.append(seconds(report, "/dev/null", "/dev/null"))
            convert_times.append(seconds(command, text, "/dev/null"))
        size = text.stat().st_size
        with open(text, "rb") as before, open(folder / "host.txt", "rb") as after:
            lines = sum(a != b for a, b in zip(before, after))
        assert lines == EVENTS, lines
    ours, theirs = min(convert_times), min(print_times)
    print(f"{EVENTS} events of {trace.name}, {size / 1e6:.0f} MB of text, processor time:\n"
          f"  trace-cmd report   {theirs:.2f} s, {EVENTS / theirs / 1e6:.2f} million lines/s\n"
          f"  convert            {ours:.2f} s, {EVENTS / ours / 1e6:.2f} million lines/s, "
          f"{size / ours / 1e6:.0f} MB/s\n"
          f"  {theirs / ours:.1f} times as fast (at least {RATIO_MIN:.0f})")
    assert theirs / ours >= RATIO_MIN, theirs / ours


if __name__ == "__main__":
    main()
