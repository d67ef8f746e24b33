#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The schemas keep to what the strictest QEMU, 7.2, wants of comments: else its build fails, which
# is seen only by scripts/check-tree. And the edges in in-tree/ stay thin.
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]).resolve()
GLUE_LINES_MAX = 150


def check_indentation():
    """schemas: a member's description goes on below its first word"""
    for path in sorted((ROOT / "qapi").glob("*.json")):
        wanted = 0
        for number, line in enumerate(path.read_text().splitlines(), 1):
            member = re.match(r"# (@[\w-]+: +)\S", line)
            text = re.match(r"#( +)\S", line)
            if line.startswith("##") or re.match(r"# (Returns|Since):", line):
                wanted = 0
            elif member:
                wanted = 1 + len(member.group(1))
            elif text and wanted:
                assert len(text.group(1)) >= wanted, \
                    f"{path.name}:{number}: begin at column {wanted + 2}, below the first word"


def code_lines(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return sum(bool(line.strip()) for line in text.splitlines())


def check_glue():
    """each side's edge in in-tree/ has no more lines of code than is thin"""
    for side in ("qemu-plugin", "guest-agent"):
        files = sorted((ROOT / side / "in-tree").rglob("*.[ch]"))
        lines = {str(p.relative_to(ROOT)): code_lines(p) for p in files}
        print(f"# {side}: {sum(lines.values())} lines")
        assert files and sum(lines.values()) < GLUE_LINES_MAX, lines


def main():
    checks = (check_indentation, check_glue)
    print(f"1..{len(checks)}")
    failed = 0
    for number, check in enumerate(checks, 1):
        try:
            check()
            verdict = "ok"
        except AssertionError as e:
            print(f"# {e}")
            verdict, failed = "not ok", failed + 1
        print(f"{verdict} {number} - {check.__doc__}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
