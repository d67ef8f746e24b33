#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# One fuzz target for as long as a test may take: every input that is kept, then as many changed
# ones, always the same (fixed seed). Prints TAP; an input that fails is left in the build directory.
# Arguments: the program, the target's name, how many inputs in all, the build directory.
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT_S = 60


def directories(target):
    """corpus: what has been kept for its coverage; found: what once broke something."""
    kind = "log" if target == "show" else target
    return [path for path in (HERE / "corpus" / kind, HERE / "found" / kind) if path.is_dir()]


def options(target):
    """What a long run takes as well: docs/fuzzing.md."""
    name = "trace-dat" if target == "trace-dat" else "json"
    return ["-max_len=12288", "-timeout=20", "-rss_limit_mb=1536",
            f"-dict={HERE / (name + '.dict')}"]


def environment():
    # GLib's own allocator would hide from the sanitizers what is used after it was freed.
    return {**os.environ, "G_SLICE": "always-malloc",
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}


def main():
    program, target, count, build = sys.argv[1:]
    kept = directories(target)
    failed = Path(build, f"fuzz-{target}-failed-")
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as new:
        done = subprocess.run(
            [program, *options(target), f"-artifact_prefix={failed}", "-seed=1", f"-runs={count}",
             f"-max_total_time={LIMIT_S}", "-print_final_stats=1", new, *map(str, kept)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(), check=False)
    text = done.stdout.decode(errors="replace")
    coverage = re.findall(r"(?:INITED|DONE) +cov: (\d+)", text)
    units = re.search(r"number_of_executed_units: (\d+)", text)
    print("1..1")
    if done.returncode:
        print("\n".join("# " + line for line in text.splitlines()[-80:]))
        print(f"# run it again: {program} {failed}...")
    print(f"{'not ok' if done.returncode else 'ok'} 1 - {target}: "
          f"{units.group(1) if units else '?'} inputs, coverage {' then '.join(coverage) or '?'}")
    return bool(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
