#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of the how-tos that need nothing but a log and two traces are run as they stand.
Argument: the build directory."""
import os
import re
import subprocess
from pathlib import Path

import cases
from probe import BUILD
from test_export import Export, lttng_pair, need_babeltrace
from test_show_world import World

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def run_blocks(name, export, at_least):
    blocks = BLOCK.findall((DOCS / name).read_text())
    assert len(blocks) >= at_least, blocks
    path = os.path.join(BUILD, "collector") + os.pathsep + os.environ["PATH"]
    shown = ""
    for block in blocks:
        assert "trace-clock-sync export" in block, block
        done = subprocess.run(["sh", "-e", "-c", block], cwd=export.path, capture_output=True,
                              text=True, timeout=120, check=False,
                              env={**os.environ, "PATH": path, "QEMU_PID": "77"})
        assert done.returncode == 0 and "within" in done.stderr, (block, done.stderr)
        shown += done.stdout
    return shown


def test_perf():
    """howto-perf.md"""
    with Export() as export:
        assert run_blocks("howto-perf.md", export, 1).startswith("perf.data.guest,77,")


def test_perfetto():
    """howto-perfetto.md"""
    with Export() as export:
        run_blocks("howto-perfetto.md", export, 2)
        assert (export.path / "perfetto_manifest.json").read_text().startswith("{")
        assert (export.path / "clocks.pftrace").stat().st_size > 1000


def test_lttng():
    """howto-lttng.md"""
    need_babeltrace()
    with Export(World()) as export:
        lttng_pair(export, 1700000000123456789, 1700000000987654321)
        shown = run_blocks("howto-lttng.md", export, 2)
        assert shown.count("number = ") == 2 * len(export.moments), shown[:300]
        assert shown.count("clock {") == 2, shown[-500:]


if __name__ == "__main__":
    cases.run(globals())
