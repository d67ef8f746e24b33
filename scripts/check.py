#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds three times and runs all tests: build-sanitize/ with address and undefined-behaviour sanitizers
# and the suites that need no VM, build-fuzz/ with the fuzz targets for a short run of each, build/ as
# users get it with every suite. Ends with a line "N passed, N failed[, N skipped]" that counts single
# checks, not test programs.
#   check.py [--tree] [--deb] [--arch]     QEMU with our sources in its tree, as scripts/check-tree; the
#                                          Debian packages, as tests/packages/check_deb.py; and at the
#                                          end, if an hour has not gone by, scripts/check-arch
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

# By full path: Debian's meson brings its own Python, whatever python3 is in PATH.
MESON = "/usr/bin/meson"
SANITIZE = ["-Db_sanitize=address,undefined", "-Db_lundef=false"]
BUILDS = (
    # directory, compiler (None: the usual one), options of meson setup, what to compile, suites
    ("build-sanitize", None, SANITIZE, (), ("unit", "sim", "fake")),
    ("build-fuzz", "clang-14", ["-Dfuzz=true", *SANITIZE], ("fuzz",), ("fuzz",)),
    ("build", None, [], (), ("unit", "sim", "fake", "testbed")),
)
TAP = re.compile(r"(not )?ok\b\s*\d*\s*-?\s*(.*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?", re.IGNORECASE)


def run(*words, compiler=None):
    chosen = {"CC": compiler} if compiler else {}
    print("+ " + " ".join([*(f"{k}={v}" for k, v in chosen.items()), *words]), flush=True)
    return subprocess.run(words, stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, **chosen}).returncode


def build(directory, compiler, options, targets):
    """Where an earlier run left a directory, compiling brings it up to date by itself."""
    if not Path(directory, "build.ninja").exists() and run(MESON, "setup", directory, *options,
                                                           compiler=compiler):
        sys.exit(f"check: meson setup {directory} failed (above)")
    if run(MESON, "compile", "-C", directory, *targets):
        sys.exit(f"check: compiling {directory} failed (above)")


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.details = []

    def fail(self, name):
        self.failed += 1
        self.details.append(f"FAIL {name}")

    def skip(self, name, reason):
        self.skipped += 1
        self.details.append(f"SKIP {name}: {reason or 'no reason given'}")

    def add(self, program, test):
        """One test program of Meson's log: its TAP lines, and how it ended."""
        failed_before, seen = self.failed, False
        for line in test.get("stdout", "").splitlines():
            match = TAP.fullmatch(line)
            if not match:
                continue
            seen = True
            bad, name, directive, reason = match.groups()
            if (directive or "").upper() == "SKIP":
                self.skip(f"{program}: {name}", reason)
            elif bad and not directive:
                self.fail(f"{program}: {name}")
            else:
                self.passed += 1
        # A program may also die, time out, or print no TAP at all.
        result = test["result"]
        if result == "SKIP":
            if not seen:
                self.skip(program, "the whole program")
        elif result not in ("OK", "EXPECTEDFAIL"):
            if self.failed == failed_before:
                self.fail(f"{program}: {result}")
        elif not seen:
            self.passed += 1

    def line(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def test(directory, suites, counts):
    log = Path(directory, "meson-logs/testlog.json")
    log.unlink(missing_ok=True)
    failed_before = counts.failed
    status = run(MESON, "test", "-C", directory, "--no-rebuild",
                 *(word for suite in suites for word in ("--suite", suite)))
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        result = json.loads(line)
        program = f"{directory}: {result['name'].rpartition(':')[2]}"
        failed = counts.failed
        counts.add(program, result)
        if counts.failed > failed:
            # Meson's own --print-errorlogs leaves out what a TAP test said on standard output.
            output = (result.get("stdout", "") + result.get("stderr", "")).splitlines()
            print("\n".join([f"---- {program} failed; its output:", *output[-200:], "----"]))
    if status and counts.failed == failed_before:
        counts.fail(f"{directory}: meson test ended with status {status}")


# What takes minutes the first time. Scenarios of the trees come later, with the testbed's others.
MORE = {"--tree": [sys.executable, "-B", "-u", "tests/tree/check_tree.py", "--no-scenarios", "build"],
        "--deb": [sys.executable, "-B", "-u", "tests/packages/check_deb.py"],
        "--arch": ["scripts/check-arch"]}
# It can take 23 minutes, and continuous integration gives all of this 90.
ARCH_NOT_AFTER_SECONDS = 3600


def check_more(option, counts):
    print("+ " + " ".join(MORE[option]), flush=True)
    lines = []
    with subprocess.Popen(MORE[option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    counts.add(f"check{option[1:]}", {"stdout": "".join(lines),
                                      "result": "ERROR" if running.returncode else "OK"})


def main():
    if not set(sys.argv[1:]) <= set(MORE):
        sys.exit(f"usage: check.py {' '.join(f'[{option}]' for option in MORE)}")
    start = time.monotonic()
    counts = Counts()
    for directory, compiler, options, targets, _ in BUILDS:
        build(directory, compiler, options, targets)
    for option in ("--tree", "--deb"):
        if option in sys.argv:
            check_more(option, counts)
    for directory, _, _, _, suites in BUILDS:
        test(directory, suites, counts)
    if "--arch" in sys.argv and time.monotonic() - start < ARCH_NOT_AFTER_SECONDS:
        check_more("--arch", counts)
    elif "--arch" in sys.argv:
        counts.skip("check-arch", "an hour has gone by; run make check-arch")
    print("\n".join(["", *counts.details, f"in {time.monotonic() - start:.0f} s", counts.line()]))
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
