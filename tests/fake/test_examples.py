#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of --help, and so of the man pages, are run as they stand: those that need a log and traces
and no VM, in a world that has the files and the times they name. README's `map` as well.

Argument: the build directory. Those that need a VM are run in the testbed (howto.py, libvirt_readme).
"""
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import cases
from probe import BUILD
from test_apply import ENVIRONMENT, Case
from trace_report import TRACE_CMD
from traced_world import SECOND, START, THREADS, World

sys.path.append(str(Path(__file__).resolve().parents[1]))
import documents  # noqa: E402

PATH = os.pathsep.join([*(str(Path(BUILD, name).absolute()) for name in ("collector", "guest-agent")),
                        os.environ["PATH"]])
# What the examples name: the guest's mono, and a moment of the host's, both two seconds after the beginning.
GUEST_MONO = 81536789012
HOST_MONO = 1234567890000
INTO = 2 * 10**9


def world():
    made = World()
    for clocks, value in ((made.guest, GUEST_MONO), (made.host, HOST_MONO)):
        clocks["mono"] = (value - INTO, clocks["mono"][1])
    return made


def run(command, folder, path=PATH):
    done = subprocess.run(["sh", "-e", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60,
                          check=False, env={**ENVIRONMENT, "PATH": path, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, (command, done.returncode, done.stdout[-500:], done.stderr[-1000:])
    return done


def examples(*words, count):
    """Of a program's --help; `count`, so that none is added and not run."""
    found = documents.examples(run(" ".join([*words, "--help"]), ".").stdout)
    assert len(found) == count, (words, found)
    return found


def need_trace_cmd():
    if not TRACE_CMD:
        cases.skip("trace-cmd is not installed")


def test_apply_and_check():
    """apply --help, check --help: the guest's events are corrected, and none is found outside"""
    need_trace_cmd()
    apply, report = examples("trace-clock-sync", "apply", count=2)
    record, check = examples("trace-clock-sync", "check", count=2)
    # It takes root and a VM; tests/testbed/howto.py records so.
    assert record.startswith("trace-cmd record "), record
    with Case(world=world()) as case:
        assert "within" in run(apply, case.path).stdout
        shown = run(report, case.path).stdout
        assert shown.count("host.dat:") > 1000 and shown.count("guest.dat:") > 1000, shown[:500]
        judged = re.search(r"(\d+) events judged", run(check, case.path).stdout)
        assert judged and int(judged[1]) == len(case.world.moments), judged


def hold_map(command, case):
    """One value of the guest's mono, on a clock of the host's."""
    row = run(command, case.path).stdout.split()
    assert str(GUEST_MONO) in command and len(row) >= 3, (command, row)
    value, low, high = map(int, row[:3])
    base, rate = case.world.guest["mono"]
    to_base, to_rate = case.world.host[re.search(r"host:(\w+)", command)[1]]
    truth = to_base + (GUEST_MONO - base) / rate * to_rate
    assert low <= truth <= high and low <= value <= high < low + 100000, (row, float(truth))


def test_map():
    """map --help, and README's: the true time, within low and high"""
    listing, mapping = examples("trace-clock-sync", "map", count=2)
    block, = documents.blocks("README.md", 1, "Good to know")
    with Case(world=world()) as case:
        listed = run(listing, case.path).stdout
        assert all(name in listed for name in ("guest:mono", "host:boot", "guest:x86-tsc")), listed
        hold_map(mapping, case)
        hold_map(block, case)


def test_convert():
    """convert --help: all times of trace-cmd's report and of a log of one's own are converted"""
    need_trace_cmd()
    report, own = examples("trace-clock-sync", "convert", count=2)
    with Case(world=world()) as case:
        stamps = [case.world.stamp("guest", "mono", 0, START + i * SECOND // 8) // 1000 for i in range(4, 20)]
        (case.path / "guest.log").write_text("".join(f"request done ts={stamp} ok\n" for stamp in stamps))
        for command, number in ((report, len(case.world.moments)), (own, len(stamps))):
            said = run(command, case.path).stderr
            assert f": {number} lines converted, " in said and " 0 unknown" in said, (command, said)
        out = (case.path / "host.log").read_text()
        assert len(re.findall(r"^request done ts=\d+ ok$", out, re.MULTILINE)) == len(stamps), out


def test_plot():
    """plot --help: the four pictures, two of traces that apply corrected"""
    with Case(world=world()) as case:
        case.apply()
        commands = examples("trace-clock-sync", "plot", count=4)
        for command in commands:
            run(command, case.path)
            name = re.search(r"-o (\S+)", command)[1]
            picture = (case.path / name).read_bytes()
            assert picture.startswith(b"\x89PNG") if name.endswith(".png") else b"</svg>" in picture, name


class Vcpus:
    """Two threads of this process, named as QEMU names those of its vCPUs."""

    def __init__(self):
        self._end, self.ids = threading.Event(), []
        self._threads = [threading.Thread(target=self._end.wait) for _ in THREADS]
        for number, thread in enumerate(self._threads):
            thread.start()
            self.ids.append(thread.native_id)
            Path(f"/proc/self/task/{thread.native_id}/comm").write_text(f"CPU {number}/KVM")

    def __enter__(self):
        return self.ids

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_export():
    """export --help: perf gets the guest's file, QEMU's process, an offset and a scale"""
    command, = examples("trace-clock-sync", "export", count=1)
    with Case(world=world()) as case, Vcpus() as threads:
        text = case.log.read_text()
        for old, new in zip(THREADS, threads):
            text = text.replace(f'"thread-id": {old},', f'"thread-id": {new},')
        case.log.write_text(text)
        # tests/testbed/scenarios/kvm_perf.py has perf itself; here it tells what it was given.
        (case.path / "perf").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (case.path / "perf").chmod(0o755)
        words = run(command, case.path, path=f"{case.path}:{PATH}").stdout.split("\n")
        assert words[:5] == ["inject", "-i", "perf.data", "-o", "merged.data"], words
        assert re.fullmatch(rf"--guest-data=g\.data,{os.getpid()},-?\d+,1(\.0*)?", words[5]), words


def test_agent():
    """trace-clock-agent --help: it reads this machine's clocks; who listens is not run here"""
    for command in examples("trace-clock-agent", count=4):
        if "--once" not in command or ("--cpus 0,1" in command and not {0, 1} <= os.sched_getaffinity(0)):
            continue
        assert '"readings"' in run(command, ".").stdout, command


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
