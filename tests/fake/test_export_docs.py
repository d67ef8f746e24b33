#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of the how-tos that need nothing but a log are run as they stand.
Argument: the build directory."""
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import cases
from probe import BUILD
from test_export import Export

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def run_blocks(name, export, at_least, having=""):
    blocks = [b for b in BLOCK.findall((DOCS / name).read_text()) if having in b]
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
    """howto-perfetto.md; tar's archive has what the manifest names"""
    with Export() as export:
        traces = {"host.pftrace": b"the host's", "guest.pftrace": b"the guest's"}
        for name, content in traces.items():
            (export.path / name).write_bytes(content)
        run_blocks("howto-perfetto.md", export, 2)
        with tarfile.open(export.path / "merged.tar") as archive:
            have = {name: archive.extractfile(name).read() for name in archive.getnames()}
        manifest = have.pop("perfetto_manifest.json")
        assert manifest == (export.path / "perfetto_manifest.json").read_bytes()
        assert have == traces, have
        named = [file["path"] for file in json.loads(manifest)["perfetto_manifest"]["files"]]
        assert sorted(named) == sorted(traces), named
        assert (export.path / "clocks.pftrace").stat().st_size > 1000


def test_lttng():
    """howto-lttng.md, the clock with a rate; the rest is run by test_export_lttng.py"""
    with Export() as export:
        shown = run_blocks("howto-lttng.md", export, 1, "--clock-block")
        assert shown.count("clock {") == 2, shown


if __name__ == "__main__":
    cases.run(globals())
