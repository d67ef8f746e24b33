#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`convert` on what perf, dmesg and bpftrace really print here, in a world whose guest has this machine's
times.

Argument: the build directory. What trace-cmd prints is in test_convert.py.
"""
import os
import re
import shutil
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import cases
from test_convert import LINES, PROGRAM, REFUSED, TRACE_CMD, Case, rounded, seconds
from traced_world import SECOND, START

# Of one event, as perf script prints it: [cpu] or not, seconds, a colon, and what was counted.
PERF = re.compile(r"^ *\S+ +\d+(?:/\d+)? +(?:\[\d+\] +)?(\d+\.\d+): ")
DMESG = re.compile(r"^(?:\w+ *:\w+ *: )?\[ *(\d+\.\d+)\] ")


def tool(*words, what=None):
    if not shutil.which(words[0]):
        cases.skip(f"{words[0]} is not installed: run scripts/install-packages")
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        cases.skip(f"{what or ' '.join(map(str, words))}: {said[-250:]}")
    return done.stdout.decode(errors="surrogateescape")


def hold(text, pattern, least, style):
    """Each time that an expression of the test's own finds is what map says, all else is as it was.

    The log ends a second after the last of them, so early ones may be unknown.
    """
    matches = [pattern.match(line) for line in text.splitlines()]
    found = [m[1] for m in matches if m]
    assert len(found) >= least, text[:1000]
    decimals = len(found[0].partition(".")[2])
    stamps = [int(t.replace(".", "")) * 10 ** (9 - decimals) for t in found]
    with Case() as case:
        _, rate = case.world.guest["mono"]
        case.world.guest["mono"] = (max(stamps) - 3 * 10**9, rate)
        case.world.write_log(case.log)
        expected = case.map("guest:mono", "host:boot", stamps)
        known = len(expected) - expected.count(None)
        out = case.convert(text.encode(errors="surrogateescape"),
                           status=REFUSED if None in expected else 0)
        out = out.decode(errors="surrogateescape")
        assert f"{style} style" in case.err, case.err
        values = iter(expected)
        for before, after, match in zip(text.splitlines(), out.splitlines(), matches):
            value = next(values) if match else None
            if value is not None:
                before = before[:match.start(1)] + rounded(value, decimals) + before[match.end(1):]
                # How many blanks there are is another test's.
                before, after = (re.sub(r"\[ +", "[", x).split() for x in (before, after))
                assert before == after, (before, after)
            elif not match:
                assert before == after, (before, after)
            else:
                assert "?" in after[:match.end(1) + 2] and match[1] not in after, (before, after)
        assert known and text.count("\n") == out.count("\n"), (known, case.err)


def test_perf():
    """perf script: nine decimals and six, CPUs and none, call chains in between"""
    with Case() as case:
        data = case.folder / "perf.data"
        load = "i=0; while [ $i -lt 40 ]; do cat /proc/stat >/dev/null; i=$((i+1)); done"
        tool("perf", "record", "-q", "-g", "-k", "mono", "-e", "cpu-clock", "--sample-cpu", "-o", data,
             "--", "sh", "-c", load)
        for words in (("--ns",), (), ("--ns", "-G"), ("-F", "comm,pid,tid,cpu,time,event,ip,sym")):
            hold(tool("perf", "script", "-i", data, *words), PERF, 20, "perf")


def test_dmesg():
    """dmesg: a whole kernel log, most of it from before the recording; and with levels"""
    for words in ((), ("-x",)):
        text = tool("dmesg", *words)
        if sum(bool(DMESG.match(line)) for line in text.splitlines()) < 3:
            cases.skip("the kernel's log is empty here")
        hold(text, DMESG, 3, "dmesg")


HOWTO = Path(__file__).resolve().parents[2] / "docs/howto-text.md"
BLOCK = re.compile(r"^(?:## ([^\n]*)|```sh\n(.*?)^```$)", re.MULTILINE | re.DOTALL)
# What is run elsewhere: record by tests/testbed/howto.py, perf above, bpftrace below.
ELSEWHERE = ("trace-clock-sync record ", "bpftrace ", "perf record ")


def guest_text(style, stamps):
    if style == "bpftrace":
        return "".join(f"{s} cat /etc/passwd\n" for s in stamps)
    return "".join(LINES[style](seconds(s), 0) + "\n" for s in stamps)


def run_block(block, folder, style):
    """A block of the text, which is to convert all that it finds; returns what it printed."""
    done = subprocess.run(["sh", "-e", "-c", block], cwd=folder, capture_output=True, text=True,
                          errors="surrogateescape", timeout=60, check=False,
                          env={**os.environ,
                               "PATH": f"{PROGRAM.parent.absolute()}:{os.environ['PATH']}"})
    assert done.returncode == 0 and f"{style} style" in done.stderr, (block, done.stderr)
    assert " 0 unknown" in done.stderr and not done.stderr.count(" 0 lines"), done.stderr
    return done


def test_howto():
    """howto-text.md: its convert commands, as they stand there, on the text that the tool prints"""
    section, ran = "bpftrace", []
    for heading, block in BLOCK.findall(HOWTO.read_text(encoding="utf-8")):
        section = heading or section
        if heading or block.startswith(ELSEWHERE):
            continue
        style = next(s for s in ("bpftrace", "dmesg", "perf", "ftrace") if s in section)
        with Case() as case:
            for side in (case.world.host, case.world.guest):
                side["perf"] = side["mono"]
            case.world.write_log(case.log)
            clock = "boot" if style == "bpftrace" else "mono"
            stamps = [case.world.stamp("guest", clock, 0, START + i * SECOND // 8)
                      for i in range(4, 20)]
            (case.folder / "guest.txt").write_text(guest_text(style, stamps))
            if "guest.dat" in block:
                if not TRACE_CMD:
                    cases.skip("trace-cmd is not installed")
                case.world.write_traces(case.folder, "mono", "mono")
            run_block(block, case.folder, style)
            ran.append(style)
    assert set(ran) == {"bpftrace", "dmesg", "perf", "ftrace"}, ran


def of_bpftrace():
    """howto-text.md's commands about bpftrace: (what records, what converts)."""
    section = HOWTO.read_text(encoding="utf-8").partition("\n## bpftrace\n")[2]
    record, convert = (block for _, block in BLOCK.findall(section.partition("\n## ")[0]))
    return record, convert


# In a mount namespace of its own, for a machine that has mounted no tracefs.
WITH_TRACEFS = "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; "


def marked(record, folder, least=20):
    """Runs a recording of opens until it has `least` opens of this process in it: (all its text,
    {name of what was opened: (its line's time, boot just before, boot just after)}).
    """
    with subprocess.Popen(["unshare", "-m", "sh", "-c", f"{WITH_TRACEFS}exec {record}"],
                          cwd=folder, stderr=subprocess.PIPE, text=True) as bpftrace:
        text, found, brackets, deadline = "", {}, {}, time.monotonic() + 60
        try:
            while len(found) < least and bpftrace.poll() is None and time.monotonic() < deadline:
                name = f"tcs-mark-{os.getpid()}-{len(brackets)}"
                before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                try:
                    os.close(os.open(name, os.O_RDONLY))
                except FileNotFoundError:
                    pass
                brackets[name] = before, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                time.sleep(0.05)
                text = (folder / "guest.txt").read_text(errors="surrogateescape") \
                    if (folder / "guest.txt").exists() else ""
                found = {name: int(stamp) for stamp, name in
                         re.findall(r"^(\d+) .* (tcs-mark-\d+-\d+)$", text, re.MULTILINE)}
        finally:
            bpftrace.send_signal(signal.SIGINT)
            said = bpftrace.communicate(timeout=60)[1]
    assert len(found) >= least, (record, text[:500], said)
    text = (folder / "guest.txt").read_text(errors="surrogateescape")
    return text, {name: (stamp, *brackets[name]) for name, stamp in found.items()}


def test_bpftrace():
    """bpftrace: howto-text.md's command, run here; this process's opens come out when they were"""
    record, convert = of_bpftrace()
    # Whether a kernel lets it, whatever the command of the text is.
    tool("bpftrace", "--version")
    tool("unshare", "-m", "sh", "-c", WITH_TRACEFS + "exec bpftrace -e "
         "'tracepoint:syscalls:sys_enter_openat { exit(); }' -c '/bin/cat /dev/null'", what="bpftrace cannot run here")
    with Case() as case:
        text, marks = marked(record, case.folder)
        stamps = [int(t) for t in re.findall(r"^(\d+) ", text, re.MULTILINE)]
        case.world.seconds = (max(stamps) - min(stamps)) // 10**9 + 4
        base, rate = min(stamps) - 10**9, case.world.guest["boot"][1]
        case.world.guest["boot"] = (base, rate)
        case.world.write_log(case.log)
        done = run_block(convert, case.folder, "bpftrace")
        bound = int(re.search(r"largest bound (\d+) ns", done.stderr)[1])
        assert 0 < bound < 10000, done.stderr
        host_base, host_rate = case.world.host["mono"]

        def truth(ns):
            return host_base + (ns - base) * Fraction(host_rate) / rate
        for name, (stamp, before, after) in marks.items():
            out = int(re.search(rf"^(\d+) .* {name}$", done.stdout, re.MULTILINE)[1])
            assert before <= stamp <= after, (name, before, stamp, after)
            assert abs(out - truth(stamp)) <= bound, (name, out, float(truth(stamp)), bound)
            assert truth(before) - bound <= out <= truth(after) + bound, (name, out, bound)
        assert done.stdout.count("\n") == text.count("\n"), done.stderr


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
