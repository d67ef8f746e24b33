#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# What `make bench` does: all benchmarks, one after the other, then a table of the figures that have a target.
#   bench.py BUILD [BENCHMARK…]
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/bench"))

import targets  # noqa: E402

HEAD = ("what", "target", "result", "")


def run(build, names):
    """(exit status, all that was printed), which is shown meanwhile."""
    text = []
    with subprocess.Popen(["/usr/bin/meson", "test", "-C", build, "--no-rebuild", "--benchmark", "--verbose", *names],
                          stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            text.append(line)
    return process.returncode, "".join(text)


def table(rows):
    widths = [max(map(len, column)) for column in zip(HEAD, *rows)]
    lines = [HEAD, ["-" * width for width in widths], *rows]
    return "".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |\n"
                   for line in lines)


def main():
    build = Path(sys.argv[1])
    status, text = run(build, sys.argv[2:])
    rows = targets.find(text)
    if not rows:
        sys.exit(status or "bench.py: no benchmark told a figure")
    (build / "bench.md").write_text(table(rows), encoding="utf-8")
    print(f"\n{table(rows)}\n{sum(row[3] == 'MISSED' for row in rows)} missed; {build}/bench.md has this table")
    sys.exit(status)


if __name__ == "__main__":
    main()
