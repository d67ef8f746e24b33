#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast `convert` rewrites what `trace-cmd report` prints, against the time trace-cmd takes to
print it. Argument: the build directory.

Both are processor time, so that other work on the machine does not decide; and both print to /dev/null.
convert gets the text several times over, as of a trace that is so much longer: what it takes to start and to
read the log is no rate, and is told apart.
Two traces: sched_switch, an event as traces have it, and for comparison the cheapest to print there is,
one number each."""
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "fake"), str(HERE.parent)]

import targets  # noqa: E402
import trace_dat  # noqa: E402
from trace_report import TRACE_CMD  # noqa: E402
from traced_world import SECOND, World  # noqa: E402

EVENTS, TIMES, ROUNDS, RATIO_MIN = 500_000, 8, 3, 10.0
PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"
SCHED_SWITCH = """\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;
\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;
\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;
\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;

print fmt: "prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d \
next_prio=%d", REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & 0xff) ? \
__print_flags(REC->prev_state & 0xff, "|", { 0x01, "S" }, { 0x02, "D" }, { 0x04, "T" }, \
{ 0x08, "t" }, { 0x10, "X" }, { 0x20, "Z" }, { 0x40, "P" }, { 0x80, "I" }) : "R", \
REC->prev_state & 0x100 ? "+" : "", REC->next_comm, REC->next_pid, REC->next_prio
"""


class SchedSwitch(trace_dat.TraceDat):
    """A trace whose events are all sched_switch; their names do not matter."""

    def _formats(self):
        text = f"name: sched_switch\nID: 502\nformat:\n{SCHED_SWITCH}".encode()
        return struct.pack("<I", 1) + b"sched\0" + struct.pack("<I", 1) + self._sized(text)


def switch_pages(order, events):
    """As trace_dat.pages(), of sched_switch events that come closer together than 2^27 ns."""
    out, data, start, last = [], [], None, None
    for at, _, pid, number in [*events, (None,) * 4]:
        if start is not None and (at is None or len(data) == 56):
            body = b"".join(data)
            out.append((struct.pack("<QQ", start, len(body)) + body).ljust(trace_dat.PAGE, b"\0"))
            data = []
        if at is None:
            break
        if not data:
            start = last = at
        data.append(struct.pack("<I", 16 | (at - last) << 5) +
                    struct.pack("<HBBi16siiq16sii", 502, 0, 0, pid, b"kworker/0:1", 100, 120,
                                number % 3, b"swapper/0", 0, 120))
        last = at
    return b"".join(out)


def write_trace(world, path, is_switch):
    rng = random.Random(1)
    cpus = {0: [], 1: []}
    base, rate = world.guest["mono"]
    at, step = int(base + SECOND * rate // 2), int((world.seconds - 1) * 10**9 / EVENTS)
    for number in range(EVENTS):
        at += rng.randrange(1, 2 * step)
        cpus[number % 2].append((at, "tick", 100, number))
    plain = trace_dat.pages
    trace_dat.pages = switch_pages if is_switch else plain
    (SchedSwitch if is_switch else trace_dat.TraceDat)("mono", cpus).write(path)
    trace_dat.pages = plain


def seconds(command, source, target):
    """Processor time of a command from one file to another."""
    with open(source, "rb") as stdin, open(target, "wb") as stdout, \
            subprocess.Popen(command, stdin=stdin, stdout=stdout,
                             stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    assert status == 0, (command, status)
    return usage.ru_utime + usage.ru_stime


def measure(folder, is_switch):
    """Prints the figures; returns how many times as fast."""
    world = World(seconds=20)
    log = world.write_log(folder / "run.tcs")
    trace, text, result = folder / "guest.dat", folder / "guest.txt", folder / "host.txt"
    write_trace(world, trace, is_switch)
    report = [TRACE_CMD, "report", "-t", "-i", trace]
    command = [PROGRAM, "convert", log, "--from", "guest:mono", "--to", "host:boot"]
    seconds(report, "/dev/null", text)
    seconds(command, text, result)
    with open(text, "rb") as before, open(result, "rb") as after:
        changed = sum(a != b for a, b in zip(before, after))
    assert changed == EVENTS, changed
    long, short = folder / "long.txt", folder / "short.txt"
    long.write_bytes(text.read_bytes() * TIMES)
    short.write_bytes(b"".join(text.read_bytes().splitlines(True)[:3]))
    theirs = min(seconds(report, "/dev/null", "/dev/null") for _ in range(ROUNDS))
    start = min(seconds(command, short, "/dev/null") for _ in range(ROUNDS))
    ours = min(seconds(command, long, "/dev/null") for _ in range(ROUNDS)) / TIMES
    size = text.stat().st_size
    print(f"{EVENTS} events, {'sched_switch' if is_switch else 'one number each'}, "
          f"{size / 1e6:.0f} MB of text, processor time:\n"
          f"  trace-cmd report   {theirs:.2f} s, {EVENTS / theirs / 1e6:.2f} million lines/s\n"
          f"  convert            {ours:.2f} s, {EVENTS / ours / 1e6:.2f} million lines/s, "
          f"{size / ours / 1e6:.0f} MB/s: {theirs / ours:.1f} times as fast "
          f"({start:.2f} s to start, of {TIMES * ours:.2f} s for {TIMES} times the text)")
    return theirs / ours


def main():
    if not TRACE_CMD:
        print("trace-cmd is not installed: nothing to compare with")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="tcs-bench-") as name:
        measure(Path(name), False)
        ratio = measure(Path(name), True)
    sys.exit(not targets.tell("convert, lines a second",
                              f"at least {RATIO_MIN:.0f} times trace-cmd report's, same events",
                              f"{ratio:.1f} times", ratio >= RATIO_MIN))


if __name__ == "__main__":
    main()
