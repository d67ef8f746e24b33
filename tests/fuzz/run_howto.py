#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The long run of docs/fuzzing.md by its own commands, for a second instead of an hour and on a copy of
# the inputs. Prints TAP. Argument: the build directory.
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/fake"), str(ROOT / "scripts")]

import cases  # noqa: E402
import check  # noqa: E402
import documents  # noqa: E402

BUILD = Path(sys.argv[1])
BLOCK, = documents.blocks("docs/fuzzing.md", 1)
SETUP, COMPILE, *REST = documents.lines(BLOCK)


def test_build():
    """fuzzing.md: it is set up and compiled as make check does"""
    directory, compiler, options, targets = next(b for b in check.BUILDS if "-Dfuzz=true" in b[2])
    assert SETUP.split() == [f"CC={compiler}", "meson", "setup", directory, *options], SETUP
    assert COMPILE.split() == ["meson", "compile", "-C", directory, *targets], COMPILE


def test_long_run():
    """fuzzing.md: the long run, and what it found joined to the inputs kept"""
    commands = "\n".join(REST)
    assert commands.count("-max_total_time=3600") == 1, commands
    with tempfile.TemporaryDirectory(prefix="fuzz-howto-") as name:
        here = Path(name)
        (here / "build-fuzz").symlink_to(BUILD.resolve())
        kept = here / "tests/fuzz/corpus/log"
        shutil.copytree(ROOT / "tests/fuzz/corpus/log", kept)
        shutil.copy(ROOT / "tests/fuzz/json.dict", here / "tests/fuzz")
        before = {file.name for file in kept.iterdir()}
        done = subprocess.run(["sh", "-e", "-c", commands.replace("=3600", "=1")], cwd=here, timeout=240,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-3000:]
        ran = re.search(r"Done (\d+) runs in", done.stdout)
        assert ran and int(ran[1]) > len(before), done.stdout[-3000:]
        merged = re.search(r"MERGE-OUTER: (\d+) new files with", done.stdout)
        added = {file.name for file in kept.iterdir()} - before
        assert merged and len(added) == int(merged[1]), (done.stdout[-3000:], added)
        print(f"# {ran[1]} inputs, {len(added)} of them new")


cases.run(globals())
