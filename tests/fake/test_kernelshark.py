#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What KernelShark's own library shows of a pair that `apply` corrected, in a world whose truth is known.

Argument: the build directory. The commands are those of howto-kernelshark.md; what is clicked there has
its data from the same calls.
"""
import ctypes
import functools
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cases
import kshark_report
from test_apply import ENVIRONMENT, PROGRAM, Case
import trace_report
from traced_world import NAME, THREADS, World

sys.path.append(str(Path(__file__).resolve().parents[1] / "testbed"))
import stock  # noqa: E402

HOWTO = (Path(__file__).resolve().parents[2] / "docs/howto-kernelshark.md").read_text(encoding="utf-8")
APPLY = re.search(r"^ +(trace-clock-sync apply .*)$", HOWTO, re.MULTILINE)[1]
# The files in the order in which they are opened.
OPEN = re.search(r"^ +kernelshark (\S+) -a (\S+)$", HOWTO, re.MULTILINE).groups()

LIBRARY = "libkshark.so.2"


@functools.cache
def library():
    """KernelShark's own, without Qt, which only its windows need."""
    try:
        ctypes.CDLL(LIBRARY)
        return LIBRARY
    except OSError:
        pass    # not installed
    try:
        tree = stock.unpacked("kernelshark", ("libkshark2",))
    except stock.Unavailable as e:
        cases.skip(str(e))
    return tree / stock.MULTIARCH / LIBRARY


class Shown:
    """What the library makes of files of a folder, opened in their order."""

    def __init__(self, folder, *names):
        done = subprocess.run([sys.executable, kshark_report.__file__, library(), *names], cwd=folder,
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr)
        # The library has its own messages.
        found = json.loads(done.stdout[done.stdout.index('{"streams"'):])
        by_stream = dict(zip(found["streams"], names))
        self.rows = [trace_report.Row(by_stream[stream], pid, cpu, ns, event, number)
                     for stream, pid, cpu, ns, event, number in found["entries"]]
        self.guests = [(by_stream[guest], by_stream[host], name, threads)
                       for guest, host, name, threads in found["guests"]]

    def of(self, name):
        return [row for row in self.rows if row.file == name]

    def judge(self):
        return trace_report.judge(self.rows, "guest.dat", dict(enumerate(THREADS)))


def run_howto(case):
    """What the how-to's apply says."""
    done = subprocess.run(["sh", "-e", "-c", APPLY], cwd=case.path, capture_output=True, text=True,
                          timeout=60, check=False,
                          env={**ENVIRONMENT,
                               "PATH": f"{PROGRAM.parent.absolute()}:{ENVIRONMENT['PATH']}"})
    assert done.returncode == 0, done.stderr
    return done.stdout


def hold_truth(case, host_clock, rows, bound):
    """Each of the guest's events is shown when it was, as far as apply promised."""
    assert len(rows) == len(case.world.moments) > 1000, (len(rows), len(case.world.moments))
    for row in rows:
        true = case.world.stamp("host", host_clock, 0, case.world.moments[row.cpu, row.fields])
        assert abs(row.stamp - true) <= bound, (host_clock, row, true, bound)


def test_times():
    """the guest's events are at their true times, in order among the host's, inside their windows"""
    slow = {"ratio": Fraction(10, 21), "same": False}
    for host_clock, guest_clock, options in (("mono", "mono", {}), ("boot", "x86-tsc", slow),
                                             ("x86-tsc", "boot", slow), ("boot", "boot", {})):
        with Case(host_clock, guest_clock, world=World(**options)) as case:
            before = Shown(case.path, *OPEN)
            inside, outside, unknown = before.judge()
            assert outside + unknown > inside // 2, (inside, outside, unknown)
            said = run_howto(case)
            bound = max(map(int, re.findall(r"within (\d+) \w+, half", said)))
            shown = Shown(case.path, *OPEN)
            hold_truth(case, host_clock, shown.of("guest.dat"), bound)
            assert shown.of("host.dat") == before.of("host.dat")
            stamps = [row.stamp for row in shown.rows]
            assert stamps == sorted(stamps)
            assert shown.judge() == (len(case.world.moments), 0, 0), (shown.judge(), said)
            # Neither the order nor the host's file matters to the times.
            for names in (reversed(OPEN), ("guest.dat",)):
                assert Shown(case.path, *names).of("guest.dat") == shown.of("guest.dat"), names


def test_combo():
    """the dialog of the KVM Combo plots has the VM, its host and the threads of its vCPUs"""
    with Case() as case:
        assert Shown(case.path, *OPEN).guests == []
        run_howto(case)
        for names in (OPEN, tuple(reversed(OPEN))):
            found = Shown(case.path, *names).guests
            assert found == [("guest.dat", "host.dat", NAME, list(THREADS))], (names, found)
        # As the how-to's table says.
        assert not Shown(case.path, "guest.dat").guests
    with Case() as case:
        case.apply("-o", case.path / "new.dat")
        assert not Shown(case.path, "host.dat", "new.dat").guests


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
