#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU with trace-clock-sync in its tree, release by release: builds it, runs the tree's own tests that
# touch the change and the tree's checkpatch, asks another target, and runs the testbed's scenario.
# Prints TAP and ends with "N passed, N failed[, N skipped]".
#   check_tree.py BUILD [RELEASE…]
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/testbed"), str(ROOT / "tests")]

import qemu_tree  # noqa: E402
import stock  # noqa: E402

TEST_SECONDS = 600
COMMAND = "query-trace-clock-sync"
# In the tree's own words; the rest of them does not touch what the patches do.
OWN_TESTS = (
    ("tests/qtest/qmp-cmd-test", (f"/x86_64/qmp/{COMMAND}",)),
    ("tests/qtest/test-hmp", ("/x86_64/hmp/none", "/x86_64/hmp/none+2MB")),
    ("tests/unit/test-qga", ()),
)


def run(words, cwd, environment=None):
    """Standard output and error of a program that must succeed."""
    done = subprocess.run([str(w) for w in words], cwd=cwd, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TEST_SECONDS,
                          env=dict(os.environ, LC_ALL="C", **(environment or {})), check=False)
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}:\n" \
        + "\n".join(done.stdout.splitlines()[-30:])
    return done.stdout


def own_test(tree, program, paths):
    environment = {"QTEST_QEMU_BINARY": "./qemu-system-x86_64",
                   "G_TEST_SRCDIR": str(tree.source / Path(program).parent),
                   "G_TEST_BUILDDIR": str(tree.build / Path(program).parent),
                   **tree.environment()}
    out = run([f"./{program}", "--tap", *(w for p in paths for w in ("-p", p))], tree.build,
              environment)
    passed = [line for line in out.splitlines() if line.startswith("ok ")]
    assert len(passed) >= max(1, len(paths)), out
    if program.endswith("test-qga"):
        ours = [line for line in passed if "trace-clock" in line]
        assert len(ours) == 4 and not any("SKIP" in line for line in ours), ours


def qmp(tree, program, machine, command):
    """One command's answer by a QEMU that is started for it."""
    lines = "\n".join(json.dumps({"execute": name}) for name in
                      ("qmp_capabilities", command, "quit"))
    done = subprocess.run([str(tree.build / program), "-M", machine, "-nodefaults", "-display",
                           "none", "-accel", "qtest", "-S", "-qmp", "stdio"], input=lines + "\n",
                          capture_output=True, text=True, timeout=60, check=False,
                          env=dict(os.environ, **tree.environment()))
    replies = [r for r in map(json.loads, done.stdout.splitlines())
               if "return" in r or "error" in r]
    assert len(replies) >= 2, (done.stdout, done.stderr)
    return replies[1]


def other_target(tree):
    """qemu-system-aarch64: an answer without vCPUs, else a clear error"""
    reply = qmp(tree, "qemu-system-aarch64", "none", COMMAND)
    assert reply["return"]["vcpus"] == [], reply
    reply = qmp(tree, "qemu-system-aarch64", "virt", COMMAND)
    assert "not supported on this target" in reply["error"]["desc"], reply


def checkpatch(tree):
    """the tree's checkpatch has nothing to say on patches and edges"""
    # Whoever commits the patches signs them off.
    words = ["perl", "./scripts/checkpatch.pl", "--no-signoff", "--no-summary", "--terse"]
    for side in ("qemu-plugin", "guest-agent"):
        run([*words, ROOT / side / f"in-tree/{tree.release}.patch"], tree.source)
        for file in sorted((ROOT / side / "in-tree").rglob("*.[ch]")):
            done = subprocess.run([*words, "-f", str(file)], cwd=tree.source, text=True,
                                  stdout=subprocess.PIPE, timeout=60, check=False)
            lines = file.read_text().splitlines()
            for fault in re.findall(r":(\d+): (.*)", done.stdout):
                # It takes this for a compiler's define; the same edge serves all releases.
                is_known = lines[int(fault[0]) - 1].startswith("#if __has_include")
                assert is_known, f"{file}:{fault[0]}: {fault[1]}"


def scenario(build, tree):
    """The testbed's own TAP, told apart by the release: (passed, failed, skipped)."""
    name = f"in_tree_{tree.release.replace('.', '_')}"
    done = subprocess.run([sys.executable, "-B", ROOT / "tests/testbed/run.py", "--build", build,
                           "--keep-logs", Path(build, "testbed-logs", name), name],
                          stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                          timeout=1800, check=False)
    print(done.stdout, end="", flush=True)
    lines = done.stdout.splitlines()
    skipped = sum(bool(re.match(r"ok .*# SKIP", line)) for line in lines)
    passed = sum(line.startswith("ok ") for line in lines) - skipped
    failed = sum(line.startswith("not ok ") for line in lines)
    return passed, failed + (1 if done.returncode and not failed else 0), skipped


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, function, *args):
        try:
            function(*args)
        except (AssertionError, subprocess.TimeoutExpired, KeyError, ValueError) as e:
            print("\n".join("# " + line for line in str(e).splitlines()))
            print(f"not ok - {name}", flush=True)
            self.failed += 1
        else:
            print(f"ok - {name}", flush=True)
            self.passed += 1

    def add(self, passed, failed, skipped):
        self.passed, self.failed = self.passed + passed, self.failed + failed
        self.skipped += skipped


def check_release(release, counts):
    """The Tree, or None where there is none."""
    try:
        tree = qemu_tree.build(release)
    except stock.Unavailable as e:
        # That it does not compile is a failure; that it cannot be fetched is none.
        is_ours = any(word in str(e) for word in ("preparing", "configuring", "compiling"))
        print(f"# {e}")
        verdict = f"not ok - QEMU {release} is built" if is_ours else \
            f"ok - QEMU {release} is built # SKIP {' '.join(str(e).split())}"
        print(verdict, flush=True)
        counts.add(0, int(is_ours), int(not is_ours))
        return None
    for program, paths in OWN_TESTS:
        counts.check(f"QEMU {release}: {program} passes", own_test, tree, program, paths)
    for function in (other_target, checkpatch):
        counts.check(f"QEMU {release}: {function.__doc__}", function, tree)
    return tree


def main():
    build, *releases = sys.argv[1:]
    unknown = set(releases) - set(qemu_tree.RELEASES)
    if unknown:
        sys.exit(f"check-tree: no release {', '.join(unknown)}; "
                 f"there are: {', '.join(qemu_tree.RELEASES)}")
    counts = Counts()
    for release in releases or qemu_tree.RELEASES:
        tree = check_release(release, counts)
        if tree:
            counts.add(*scenario(build, tree))
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    print(f"{counts.passed} passed, {counts.failed} failed{skipped}")
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
