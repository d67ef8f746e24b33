#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds three times and runs all tests: build-sanitize/ with address and undefined-behaviour sanitizers
# and the suites that need no VM, build-fuzz/ with the fuzz targets for a short run of each, build/ as
# users get it with every suite. Ends with a line "N passed, N failed[, N skipped]" that counts single
# checks, not test programs.
#   check.py [--minutes N] [--deb] [--tree] [--arch]
#                                          after that the Debian packages, as tests/packages/check_deb.py;
#                                          QEMU with our sources in its tree, as scripts/check-tree; and
#                                          scripts/check-arch. With --minutes what would not end in time
#                                          is left out, aloud: these, and scenarios of the testbed
import argparse
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
    # directory, compiler (None: the usual one), options of meson setup, what to compile
    ("build-sanitize", None, SANITIZE, ()),
    ("build-fuzz", "clang-14", ["-Dfuzz=true", *SANITIZE], ("fuzz",)),
    ("build", None, [], ()),
)
CPUS = len(os.sched_getaffinity(0))
# Of one scenario: an L1 of 3 GiB, its image in the page cache, and QEMUs beside it.
TESTBED_BYTES = 5 << 30
TESTS = (
    # directory, suites, how many at once: most of a fake's time is waiting. What reads the source tree alone finds the
    # same in any build.
    ("build-sanitize", ("unit", "sim", "fake"), 2 * CPUS),
    ("build-fuzz", ("fuzz",), CPUS),
    ("build", ("source", "unit", "sim", "fake"), 2 * CPUS),
    ("build", ("testbed",),
     max(1, min(CPUS, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // TESTBED_BYTES))),
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


def run_until(deadline, *words):
    """As run(); (status, whether it ended by itself)."""
    print("+ " + " ".join(words), flush=True)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as running:
        try:
            return running.wait(None if deadline is None else max(1, deadline - time.monotonic())), True
        except subprocess.TimeoutExpired:
            running.terminate()  # Meson ends the tests that run
            return running.wait(), False


def names_of(directory, suites):
    """Of the tests in these suites, as Meson's log has them."""
    told = subprocess.run([MESON, "introspect", directory, "--tests"], stdout=subprocess.PIPE, check=True).stdout
    return {test["name"] for test in json.loads(told)
            if {suite.rpartition(":")[2] for suite in test["suite"]} & set(suites)}


def test(directory, suites, at_once, counts, deadline=None):
    log = Path(directory, "meson-logs/testlog.json")
    log.unlink(missing_ok=True)
    failed_before = counts.failed
    status, ended = run_until(deadline, MESON, "test", "-C", directory, "--no-rebuild", "--num-processes", str(at_once),
                              *(word for suite in suites for word in ("--suite", suite)))
    left = names_of(directory, suites) if not ended else set()
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        result = json.loads(line)
        name = result["name"].rpartition(" / ")[2]
        if name in left and result["result"] == "INTERRUPT" and not re.search("^not ok", result.get("stdout", ""), re.MULTILINE):
            continue
        left.discard(name)
        program = f"{directory}: {result['name'].rpartition(':')[2]}"
        failed = counts.failed
        counts.add(program, result)
        if counts.failed > failed:
            # Meson's own --print-errorlogs leaves out what a TAP test said on standard output.
            output = (result.get("stdout", "") + result.get("stderr", "")).splitlines()
            print("\n".join([f"---- {program} failed; its output:", *output[-200:], "----"]))
    for name in sorted(left):
        counts.skip(f"{directory}: {name}", "time was up; make check runs it")
    if ended and status and counts.failed == failed_before:
        counts.fail(f"{directory}: meson test ended with status {status}")


# In this order; and how many minutes each can take the first time.
MORE = {"--deb": ([sys.executable, "-B", "-u", "tests/packages/check_deb.py"], 12),
        "--tree": ([sys.executable, "-B", "-u", "tests/tree/check_tree.py", "build"], 30),
        "--arch": (["scripts/check-arch"], 25)}


def check_more(option, counts, deadline):
    command, minutes = MORE[option]
    if deadline is not None and time.monotonic() + 60 * minutes > deadline:
        counts.skip(f"check{option[1:]}", f"time was up; run make check{option[1:]}")
        return
    print("+ " + " ".join(command), flush=True)
    lines = []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as running:
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    counts.add(f"check{option[1:]}", {"stdout": "".join(lines),
                                      "result": "ERROR" if running.returncode else "OK"})


def main():
    parser = argparse.ArgumentParser(description="Builds three times and runs all tests.")
    parser.add_argument("--minutes", type=float, help="leave out, aloud, what would not end in this time")
    for option in MORE:
        parser.add_argument(option, action="store_true", help=f"then make check{option[1:]}")
    options = parser.parse_args()
    start = time.monotonic()
    deadline = start + 60 * options.minutes if options.minutes else None
    counts = Counts()
    for words in BUILDS:
        build(*words)
    for words in TESTS:
        test(*words, counts, deadline)
    for option in MORE:
        if getattr(options, option[2:]):
            check_more(option, counts, deadline)
    print("\n".join(["", *counts.details, f"in {time.monotonic() - start:.0f} s", counts.line()]))
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
