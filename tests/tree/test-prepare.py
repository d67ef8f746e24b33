#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/prepare-qemu-tree against trees made of what its patches expect to find: done twice,
# undone, killed before each step it takes, and refused where it must not touch a thing.
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(sys.argv[1]).resolve()
PROGRAM = ROOT / "scripts/prepare-qemu-tree"


class Killed(BaseException):
    """As if by a signal: nothing handles it."""


def load():
    loader = importlib.machinery.SourceFileLoader("prepare", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("prepare", loader))
    loader.exec_module(module)
    return module


PREPARE = load()


def run(tree, *options):
    """(exit status, what it said)"""
    said = io.StringIO()
    argv, sys.argv = sys.argv, [str(PROGRAM), str(tree), *options]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = PREPARE.main()
    finally:
        sys.argv = argv
    return status, said.getvalue()


def files_before(patch):
    """{name: text} of the files a patch is for: its context in place, other lines made up."""
    name, files, at = None, {}, 0
    for line in patch.read_text().splitlines():
        hunk = re.match(r"@@ -(\d+)", line)
        if line.startswith("--- a/"):
            name = line[6:]
            files[name] = []
        elif hunk and name:
            at = int(hunk.group(1)) - 1
            files[name] += [f"line {n}" for n in range(len(files[name]), at)]
        elif name and line[:1] in (" ", "-") and not line.startswith("--- "):
            files[name].append(line[1:])
    return {name: "\n".join(lines) + "\n" for name, lines in files.items()}


def make_tree(directory, release):
    tree = Path(directory, "qemu")
    for side in ("qemu-plugin", "guest-agent"):
        for name, text in files_before(ROOT / side / f"in-tree/{release}.patch").items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
    (tree / "VERSION").write_text(f"{release}.13\n")
    (tree / "scripts/meson-buildoptions.sh").chmod(0o755)
    return tree


def state(tree):
    """Everything in the tree but our own records, which grow when run again."""
    return {str(p.relative_to(tree)): (p.stat().st_mode, p.read_bytes() if p.is_file() else None)
            for p in sorted(tree.rglob("*")) if ".written" not in p.name}


def check_round_trip(release):
    """done, done again, undone, undone again"""
    with tempfile.TemporaryDirectory() as directory:
        tree = make_tree(directory, release)
        before = state(tree)
        assert run(tree)[0] == 0, run(tree)
        after = state(tree)
        assert "trace-clock-sync.json" in (tree / "qapi/qapi-schema.json").read_text()
        times = {p: p.stat().st_mtime_ns for p in tree.rglob("*.*") if ".written" not in p.name}
        assert run(tree)[0] == 0 and state(tree) == after
        changed = [p for p, time in times.items() if p.is_file() and p.stat().st_mtime_ns != time]
        assert not changed, f"written although nothing changed: {changed}"
        assert run(tree, "--undo")[0] == 0
        assert state(tree) == before
        assert run(tree, "--undo")[0] == 0 and state(tree) == before


@contextlib.contextmanager
def killed_at(step):
    """The step-th rename, removal or making of a directory does not happen, nor what follows."""
    count = [0]
    real = [(os, "rename"), (os, "replace"), (os, "unlink"), (os, "rmdir"), (os, "mkdir")]
    kept = [(owner, name, getattr(owner, name)) for owner, name in real]

    def counted(function):
        def wrapper(*args, **kwargs):
            # Temporary files of the patch program's are none of the tree's.
            if "tcs-tree-" not in str(args[0]) and not isinstance(kwargs.get("dir_fd"), int) or \
                    function.__name__ == "unlink" and "dir_fd" in kwargs:
                count[0] += 1
                if count[0] == step:
                    raise Killed
            return function(*args, **kwargs)
        return wrapper

    for owner, name, function in kept:
        setattr(owner, name, counted(function))
    try:
        yield count
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def count_steps(tree, before, options):
    if options:
        run(tree)
    with killed_at(0) as count:
        assert run(tree, *options)[0] == 0
    run(tree, "--undo")
    assert state(tree) == before and count[0] > 8, count
    return count[0]


def check_kills(release):
    """killed in between: it can be run again, or undone"""
    with tempfile.TemporaryDirectory() as directory:
        tree = make_tree(directory, release)
        before = state(tree)
        run(tree)
        after = state(tree)
        run(tree, "--undo")
        for options, finished in (((), after), (("--undo",), before)):
            steps = count_steps(tree, before, options)
            # Most are copies, one like the other.
            for step in sorted({*range(1, steps + 1, steps // 8), *range(max(1, steps - 6), steps)}):
                for following, wanted in ((), after), (("--undo",), before):
                    if options:
                        assert run(tree)[0] == 0
                    try:
                        with killed_at(step):
                            run(tree, *options)
                        raise AssertionError(f"there was no step {step} of {steps}")
                    except Killed:
                        pass
                    status, said = run(tree, *following)
                    assert status == 0, (options, step, following, said)
                    assert state(tree) == wanted, (options, step, following)
                    assert run(tree, "--undo")[0] == 0 and state(tree) == before
            print(f"# {release} {' '.join(options)}: {steps} steps", flush=True)


def check_refusals(release):
    """refused, with the tree as it was: unknown, changed or edited trees"""
    with tempfile.TemporaryDirectory() as directory:
        tree = make_tree(directory, release)

        def refused(word):
            before = state(tree)
            status, said = run(tree)
            assert status == 4 and word in said, (status, said)
            assert state(tree) == before

        for version in ("6.0.0", "", "nonsense", "\udcff"):
            (tree / "VERSION").write_bytes(version.encode("utf-8", "surrogateescape"))
            refused("QEMU")
        (tree / "VERSION").write_text(f"{release}.13\n")
        schema = tree / "qapi/qapi-schema.json"
        whole = schema.read_text()
        schema.write_text(whole.replace("include", "exclude"))
        refused("does not apply")
        schema.unlink()
        refused("qapi-schema.json")
        schema.write_text(whole)
        (tree / "qapi/trace-clock-sync.json").write_text("{}")
        refused("not put there")
        (tree / "qapi/trace-clock-sync.json").unlink()
        assert run(tree)[0] == 0
        schema.write_text(schema.read_text() + "# mine\n")
        refused("edited")
        status, said = run(tree, "--undo")
        assert status == 4 and "edited" in said and "# mine" in schema.read_text(), said
        shutil.rmtree(tree)
        assert run(tree)[0] == 4


def run_all(tests):
    failed = 0
    for number, (check, release) in enumerate(tests, 1):
        try:
            check(release)
            verdict = "ok"
        except AssertionError as e:
            print(f"# {e!r}"[:2000])
            verdict, failed = "not ok", failed + 1
        print(f"{verdict} {number} - QEMU {release}: {check.__doc__}", flush=True)
    return failed


def main():
    tests = [(check, release) for release in PREPARE.releases()
             for check in (check_round_trip, check_kills, check_refusals)]
    print(f"1..{len(tests)}")
    # What is killed leaves its scratch directory behind.
    with tempfile.TemporaryDirectory(prefix="tcs-prepare-") as tempfile.tempdir:
        failed = run_all(tests)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
