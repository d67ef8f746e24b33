# SPDX-License-Identifier: GPL-2.0-or-later
"""What `apply` writes, read by trace-cmd of several Debian releases. No VM: the traces are made up."""
import itertools
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "fake"))

import trace_cmds  # noqa: E402
import trace_report  # noqa: E402
from traced_world import THREADS, World  # noqa: E402

NEEDS = ("collector/trace-clock-sync",)
CLOCKS = ("x86-tsc", "mono", "boot")


def hold(t, release):
    program = trace_cmds.command(release)
    said = subprocess.run([*program, "--help"], capture_output=True, text=True, timeout=60)
    t.note(next(line for line in (said.stdout + said.stderr).splitlines() if "version" in line))
    for number, (ratio, host_clock, guest_clock) in enumerate(itertools.product(
            (Fraction(1), Fraction(10, 21), Fraction(30, 21)), CLOCKS, CLOCKS)):
        folder = t.workshop.directory / f"{release}-{number}"
        folder.mkdir()
        world = World(ratio=ratio, same=guest_clock != "x86-tsc" or ratio == 1)
        log = world.write_log(folder / "run.tcs")
        host, guest = world.write_traces(folder, host_clock, guest_clock)
        subprocess.run([t.workshop.build / "collector/trace-clock-sync", "apply", log, "--guest",
                        guest, "--host", host], check=True, capture_output=True, timeout=60)
        rows = trace_report.read(host, guest, program=program)
        judged, outside, unknown = trace_report.judge(rows, guest.name, dict(enumerate(THREADS)))
        assert judged > 1000 and not outside and not unknown, \
            (ratio, host_clock, guest_clock, judged, outside, unknown)


def check_stock(t):
    """this machine's trace-cmd: any pair of clocks, scaled and not"""
    hold(t, None)


def check_trixie(t):
    """Debian 13's"""
    hold(t, "trixie")


def check_sid(t):
    """Debian unstable's"""
    hold(t, "sid")
