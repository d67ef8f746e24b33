#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`convert` on what perf and dmesg really print here, in a world whose guest has this machine's times.

Argument: the build directory. What trace-cmd prints is in test_convert.py; bpftrace needs more of a
kernel than a test may ask for.
"""
import re
import shutil
import subprocess

import cases
from test_convert import REFUSED, Case, rounded

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


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
