#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`convert` on what perf and dmesg really print here, in a world whose guest has this machine's times.

Argument: the build directory. What trace-cmd prints is in test_convert.py; bpftrace needs more of a
kernel than a test may ask for.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import cases
from test_convert import LINES, PROGRAM, REFUSED, TRACE_CMD, Case, rounded, seconds
from traced_world import SECOND, START

# Of one event, as perf script prints it: [cpu] or not, seconds, a colon, and what was counted.
PERF = re.compile(r"^ *\S+ +\d+(?:/\d+)? +(?:\[\d+\] +)?(\d+\.\d+): ")
DMESG = re.compile(r"^(?:\w+ *:\w+ *: )?\[ *(\d+\.\d+)\] ")


def tool(*words):
    if not shutil.which(words[0]):
        cases.skip(f"{words[0]} is not installed: run scripts/install-packages")
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        cases.skip(f"{' '.join(map(str, words))}: {done.stderr.decode()[-150:].strip()}")
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
                before, after = (x.replace("[ ", "[").split() for x in (before, after))
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
# What is run elsewhere: record by tests/testbed/howto.py, perf above. bpftrace takes a kernel's BTF.
ELSEWHERE = ("trace-clock-sync record ", "bpftrace ", "perf record ")


def guest_text(style, stamps):
    if style == "bpftrace":
        return "".join(f"{s} cat /etc/passwd\n" for s in stamps)
    return "".join(LINES[style](seconds(s), 0) + "\n" for s in stamps)


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
            stamps = [case.world.stamp("guest", "mono", 0, START + i * SECOND // 8)
                      for i in range(4, 20)]
            (case.folder / "guest.txt").write_text(guest_text(style, stamps))
            if "guest.dat" in block:
                if not TRACE_CMD:
                    cases.skip("trace-cmd is not installed")
                case.world.write_traces(case.folder, "mono", "mono")
            done = subprocess.run(["sh", "-e", "-c", block], cwd=case.folder, capture_output=True,
                                  text=True, timeout=60, check=False,
                                  env={**os.environ, "PATH": f"{PROGRAM.parent.absolute()}:"
                                                             + os.environ["PATH"]})
            assert done.returncode == 0 and f"{style} style" in done.stderr, (block, done.stderr)
            assert " 0 unknown" in done.stderr and not done.stderr.count(" 0 lines"), done.stderr
            ran.append(style)
    assert set(ran) == {"bpftrace", "dmesg", "perf", "ftrace"}, ran


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
