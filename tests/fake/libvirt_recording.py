# SPDX-License-Identifier: GPL-2.0-or-later
"""`record` of domains of a libvirtd of the test's own. Not a test itself."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import cases
from probe import BUILD, LIMIT, WRAPPER
from recording import run_map

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from libvirtd import libvirtd  # pylint: disable=wrong-import-position

PROGRAM = [*WRAPPER, os.path.abspath(os.path.join(BUILD, "collector/trace-clock-sync"))]
PLUGIN = os.path.abspath(os.path.join(BUILD, "qemu-plugin/trace-clock-sync.so"))
REFUSED = 4
STARTED = []        # the libvirtd, once it runs


def daemon():
    if not STARTED:
        stack = contextlib.ExitStack()
        STARTED.extend((stack.enter_context(libvirtd(PLUGIN, cases.skip)), stack))
    return STARTED[0]


def another_daemon(tcp=False):
    """As of another host, for a `with`."""
    return libvirtd(PLUGIN, cases.skip, tcp)


def program(*words, prefix=()):
    start = time.monotonic()
    process = subprocess.run([*prefix, *PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, timeout=LIMIT, check=False)
    process.seconds = time.monotonic() - start
    return process


def command_line(output, *words):
    return [*PROGRAM, "record", "-o", output, "--connect", daemon().uri, "--interval", "0.1",
            "--agent", "none", *words]


class Recording:
    """record through libvirt while the test does something, for a `with`. prefix: words before
    the program's name."""

    def __init__(self, *words, command=(), prefix=()):
        self._words, self._command, self._prefix = words, command, prefix

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="libvirt-")
        self.output = os.path.join(self.directory.name, "run")
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [*self._prefix, *command_line(self.output, *self._words),
             *(["--", *self._command] if self._command else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.directory.cleanup()

    def path(self, vm=None):
        return os.path.join(self.output, f"{vm}.tcs") if vm else self.output

    def samples(self, vm=None):
        try:
            with open(self.path(vm), encoding="utf8") as file:
                return [json.loads(line) for line in file.read().splitlines()[1:]]
        except FileNotFoundError:
            return []

    def wait_samples(self, count, vm=None):
        count += len(self.samples(vm))
        deadline = time.monotonic() + LIMIT
        while len(self.samples(vm)) < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                # Only of what has ended can all of stderr be read.
                self.process.kill()
                raise AssertionError((vm, *self.wait()))
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        err = self.process.communicate(timeout=LIMIT)[1]
        return self.process.returncode, err


def epoch_break(recording, vm=None):
    """The samples of the first and of the second QEMU, and a log that says so."""
    samples = recording.samples(vm)
    threads = [s["qmp-after"]["vcpus"][0]["thread-id"] for s in samples]
    first = [s for s, t in zip(samples, threads) if t == threads[0]]
    second = [s for s, t in zip(samples, threads) if t != threads[0]]
    assert first and second, threads
    for sample in samples:
        assert sample["qmp-before"]["vcpus"][0]["thread-id"] == \
            sample["qmp-after"]["vcpus"][0]["thread-id"], sample
    last, new = (s["qmp-after"]["vcpus"][0]["counter-after"] for s in (first[-1], second[0]))
    inside = [s["qmp-after"]["vcpus"][0]["counter-before"] for s in (first[0], second[-1])]
    gap = [last + (new - last) * i // 4 for i in (1, 2, 3)]
    mapped = run_map(recording.path(vm), "host:x86-tsc", "guest:x86-tsc", *inside, *gap)
    assert mapped.status == REFUSED, mapped.err
    for value, sample in zip(mapped.values[:2], (first[0], second[-1])):
        vcpu = sample["qmp-after"]["vcpus"][0]
        truth = (vcpu["counter-before"] + vcpu["offset"]) % 2**64
        assert value and value[1] - vcpu["bound-ticks"] <= truth <= value[2] + \
            vcpu["bound-ticks"], (mapped.out, truth)
    assert mapped.values[2:] == [None, None, None], mapped.out


def main(names):
    """Runs the tests among `names`, and ends the libvirtd."""
    if "without libvirt" in program("show", "--domain", "x").stderr:
        print("1..0 # SKIP this build has no libvirt")
        return
    try:
        cases.run(names)
    finally:
        if STARTED:
            STARTED[1].close()
