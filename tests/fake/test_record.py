#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How `record` begins and ends: options, signals, commands, files. Argument: the build directory."""
import json
import os
import resource
import signal
import subprocess
import tempfile
import time

import cases
import peers
from probe import BUILD, LIMIT, WRAPPER
from test_show_world import (CLOCKS, FILE, QUERY, READ, REFUSED, UNREACHABLE, USAGE, Serve,
                             Visited, World)

PROGRAM = [*WRAPPER, os.path.abspath(os.path.join(BUILD, "collector/trace-clock-sync"))]
NO_QEMU = "/nonexistent/qmp"


class Recording:
    """record of a world of its own, in a directory of its own, for a `with`."""

    def __init__(self, *options, command=(), agent=False, world=None, prepare=None, log="run.tcs",
                 file_limit=None):
        self._options, self._command, self._log = options, command, log
        self._agent, self._world = agent, world or World()
        self._prepare, self._file_limit = prepare, file_limit
        self.asked = []

    def _serve(self):
        def read():
            return self._world.read()
        monitor = Serve({"query-name": lambda: {"name": "toy"}, QUERY: self._world.query})
        agent = Serve({READ: read}, synchronise=True)
        return monitor, agent

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="record-")
        self.log = os.path.join(self.directory.name, self._log)
        monitor, agent = self._serve()
        self._qmp = peers.monitor(monitor)
        self._guest = peers.Peer(peers.AGENT, [agent], prefix="qga:")
        self._visits = [self._qmp.__enter__(), Visited(self._qmp)]
        words = ["--qmp", self._qmp.address]
        if self._agent:
            self._visits += [self._guest.__enter__(), Visited(self._guest)]
            words += ["--agent", self._guest.address]

        def prepare():
            if self._prepare:
                self._prepare()
            if self._file_limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (self._file_limit, self._file_limit))
        # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            [*PROGRAM, "record", "-o", self.log, *words, "--interval", "0.05", *self._options,
             *(["--", *self._command] if self._command else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=prepare, cwd=self.directory.name,
            env={**os.environ, "LC_ALL": "C.UTF-8"})
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for visit in self._visits[::-1]:
            visit.__exit__(*error)
        self.directory.cleanup()

    def wait_for(self, condition, what):
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline and self.process.poll() is None, \
                f"never: {what}; {self.process.poll()}"
            time.sleep(0.005)

    def lines(self):
        try:
            with open(self.log, encoding="utf8") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def wait_samples(self, count):
        self.wait_for(lambda: len(self.lines()) > count, f"{count} samples")

    def wait_file(self, name):
        path = os.path.join(self.directory.name, name)
        self.wait_for(lambda: os.path.exists(path), name)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, status, *words):
        """Waits for the end: standard error, which has these words."""
        out, err = self.process.communicate(timeout=LIMIT)
        assert (self.process.returncode, out) == (status, ""), (self.process.returncode, out, err)
        for word in words:
            assert word in err, f"'{word}' is not in: {err}"
        return err

    def samples(self):
        """The log's samples; every line is whole, and map agrees."""
        lines = [json.loads(line) for line in self.lines()]
        assert lines[0]["format"] == "trace-clock-sync" and len(lines) > 1, lines[0]
        done = subprocess.run([*PROGRAM, "map", self.log, "host:mono", "host:boot", "5"],
                              capture_output=True, check=False, text=True)
        assert done.returncode in (0, 4) and "damaged" not in done.stderr, done
        return lines[1:]

    def no_log(self):
        assert not os.path.exists(self.log), self.lines()


def record(*arguments):
    return subprocess.run([*PROGRAM, "record", *arguments], capture_output=True, check=False,
                          text=True, timeout=LIMIT)


def test_usage():
    """bad options: status 2, and the message says what would be right"""
    target = ["-o", "/nonexistent/run.tcs", "--qmp", NO_QEMU]
    for options, words in (
            (["--qmp", NO_QEMU], ["-o", "run.tcs"]),
            ([*target, "--clock", "local"], ["--clock", "--agent"]),
            ([*target, "--host-clock", "moon"], ["'moon'", "uptime", "local@CPU"]),
            ([*target, "--host-clock", "mono@0"], ["'mono@0'"]),
            ([*target, "--host-clock", "local@"], ["'local@'"]),
            ([*target, "--host-clock", "local@-1"], ["'local@-1'"]),
            ([*target, "--host-clock", "local@8192"], ["'local@8192'"]),
            ([*target, "--host-clock", "local@8191"], ["8191", "online"]),
            ([*target, "--interval", "0"], ["--interval", "0.01"]),
            ([*target, "--interval", "nan"], ["--interval", "0.01"]),
            ([*target, "trace-cmd", "record"], ["'trace-cmd'", "a command to run goes behind --"]),
            ([*target, "trace-cmd", "record", "-e", "kvm"], ["-e", "a command to run goes behind --"]),
            ([*target, "--"], ["command"])):
        done = record(*options)
        assert done.returncode == USAGE and not done.stdout, (options, done)
        for word in words:
            assert word in done.stderr, (word, done.stderr)


def test_command():
    """while a command runs: its samples, its standard streams, and how it ended"""
    with Recording(command=["sh", "-c", "sleep 0.3"]) as run:
        err = run.end(0, "run.tcs", "samples of toy")
        assert "sh:" not in err, err
        # The samples at the ends are close together, whatever the interval is.
        assert len(run.samples()) >= 7, len(run.samples())
    with Recording(command=["sh", "-c", "exit 7"]) as run:
        run.end(0, "sh: ", "code 7", "samples")
        run.samples()
    with Recording(command=["sh", "-c", "kill -9 $$"]) as run:
        run.end(0, "sh: ", "signal 9", "samples")
    # Not the handlers and ignored signals that record itself has.
    with Recording(command=["sh", "-c", "grep Sig /proc/self/status >signals"]) as run:
        run.end(0)
        with open(os.path.join(run.directory.name, "signals"), encoding="utf8") as f:
            masks = dict(line.split(":\t") for line in f.read().splitlines())
        # Others may be ignored by whoever started this test.
        ours = sum(1 << number - 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                                                  signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD))
        assert int(masks["SigIgn"], 16) & ours == int(masks["SigBlk"], 16) == 0, masks


def test_no_command():
    """a command that cannot be started: status 5, and no log"""
    for command in ["/nonexistent/command"], ["/"]:
        with Recording(command=command) as run:
            run.end(FILE, "cannot start", command[0])
            run.no_log()


def test_interrupt():
    """Ctrl-C waits for the command and records on; once more ends at once"""
    script = "trap '' INT; touch there; while [ ! -e go ]; do sleep 0.05; done; exit 3"
    with Recording(command=["sh", "-c", script]) as run:
        run.wait_file("there")
        run.wait_samples(3)
        run.signal(signal.SIGINT)
        run.wait_samples(len(run.lines()) + 5)
        with open(os.path.join(run.directory.name, "go"), "wb"):
            pass
        run.end(0, "waiting for sh", "code 3")
        run.samples()
    with Recording(command=["sh", "-c", script]) as run:
        run.wait_file("there")
        run.wait_samples(3)
        run.signal(signal.SIGINT)
        run.wait_samples(len(run.lines()) + 2)
        start = time.monotonic()
        run.signal(signal.SIGINT)
        run.process.wait(LIMIT)
        with open(os.path.join(run.directory.name, "go"), "wb"):
            pass
        run.end(0, "waiting for sh", "samples")
        assert time.monotonic() - start < LIMIT / 2
        run.samples()


def test_passed_on():
    """SIGTERM and SIGHUP go to the command, and the recording ends with it"""
    for number, name in (signal.SIGTERM, "TERM"), (signal.SIGHUP, "HUP"):
        script = f"trap 'touch got; exit 0' {name}; touch there; while :; do sleep 0.05; done"
        with Recording(command=["sh", "-c", script]) as run:
            run.wait_file("there")
            run.wait_samples(3)
            run.signal(number)
            run.end(0, "samples")
            assert os.path.exists(os.path.join(run.directory.name, "got"))
            run.samples()


def test_signals():
    """without a command SIGINT, SIGTERM and SIGHUP end the recording in good order"""
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        with Recording() as run:
            run.wait_samples(3)
            run.signal(number)
            run.end(0, "samples of toy")
            assert len(run.samples()) >= 6
    # As nohup(1) does it.
    with Recording(prepare=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as run:
        run.wait_samples(3)
        run.signal(signal.SIGHUP)
        run.wait_samples(len(run.lines()) + 5)
        run.signal(signal.SIGINT)
        run.end(0)


def test_file_limit():
    """a file size limit is an error like a full disk, and the log is good"""
    with Recording(file_limit=30000) as run:
        run.end(FILE, "cannot write to", "File too large")
        assert run.samples()
    with Recording(file_limit=1000) as run:
        run.end(FILE, "cannot write to", "File too large")
        run.no_log()
    # The command is waited for, and said so.
    with Recording(file_limit=30000, command=["sh", "-c", "while [ ! -e go ]; do sleep 0.05; "
                                              "done; echo x >done"]) as run:
        run.wait_for(lambda: os.path.exists(run.log) and os.path.getsize(run.log) > 20000, "20 kB")
        time.sleep(0.5)
        assert run.process.poll() is None
        with open(os.path.join(run.directory.name, "go"), "wb"):
            pass
        run.end(FILE, "ended early", "waiting for sh")
        assert os.path.exists(os.path.join(run.directory.name, "done"))


def test_removed():
    """a log that is removed meanwhile: status 5; one that is renamed is a log"""
    with Recording() as run:
        run.wait_samples(3)
        os.unlink(run.log)
        run.end(FILE, "removed")
        run.no_log()
    with Recording() as run:
        run.wait_samples(3)
        os.rename(run.log, run.log + ".1")
        run.signal(signal.SIGTERM)
        run.end(0)


def test_exists():
    """a log is never overwritten"""
    with tempfile.NamedTemporaryFile() as log:
        done = record("-o", log.name, "--qmp", NO_QEMU)
        assert done.returncode == FILE and "exists" in done.stderr, done


def test_no_directory():
    """where no log can be made nobody is asked, whatever there is to ask"""
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "file"), "w", encoding="ascii"):
            os.symlink("nowhere", os.path.join(directory, "dangling"))
        for log, words in (("missing/run.tcs", "name a file in a directory that exists"),
                           ("file/run.tcs", "name a file in a directory that exists"),
                           ("dangling", "exists"), ("", "is a directory; name a file in it")):
            done = record("-o", os.path.join(directory, log), "--qmp", NO_QEMU)
            assert done.returncode == FILE and words in done.stderr, done
        done = record("-o", "", "--qmp", NO_QEMU)
        assert done.returncode == FILE and "name a file" in done.stderr, done


def test_nobody_there():
    """no VM: status 3, and no log"""
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "run.tcs")
        done = record("-o", log, "--qmp", NO_QEMU, "--", "touch", log + ".x")
        assert done.returncode == UNREACHABLE and not os.listdir(directory), done


def test_guest_clocks():
    """--clock asks for these; one that cannot be read ends it before it begins"""
    class Named(World):
        def read(self):
            reply = super().read()
            reply["readings"] = [r for r in reply["readings"] if r["clock"] in ("mono", "boot")]
            return reply
    with Recording("--clock", "mono", "--clock", "boot", agent=True, world=Named()) as run:
        run.wait_samples(3)
        run.signal(signal.SIGTERM)
        run.end(0)
        assert all({r["clock"] for r in sample["guest"]["readings"]} == {"mono", "boot"}
                   for sample in run.samples())
    world = World()
    world.unavailable = [{"clock": "local", "reason": "no tracefs in this toy"}]
    with Recording("--clock", "local", agent=True, world=world) as run:
        run.end(REFUSED, "local", "no tracefs in this toy")
        run.no_log()
    with Recording(agent=True, world=world) as run:
        run.wait_samples(2)
        run.signal(signal.SIGTERM)
        run.end(0)
        assert {r["clock"] for r in run.samples()[0]["guest"]["readings"]} > set(CLOCKS)


def test_host_clocks():
    """a host clock that cannot be read, here or of a VM elsewhere: status 4, and no log"""
    with tempfile.TemporaryDirectory() as directory:
        done = record("-o", os.path.join(directory, "run.tcs"), "--qmp", NO_QEMU, "--host-clock",
                      "local@0")
        assert not os.listdir(directory)
    if done.returncode == REFUSED:
        assert "local@0" in done.stderr and "root" in done.stderr, done.stderr
    else:
        # Here is ftrace, and root: what was opened is not that host's.
        assert done.returncode == UNREACHABLE, done
        with Recording("--host-clock", "local@0") as run:
            run.end(REFUSED, "local@0", "on its host")
            run.no_log()
    # What QEMU reads itself is there anyhow.
    with Recording("--host-clock", "mono", "--host-clock", "x86-tsc") as run:
        run.wait_samples(3)
        run.signal(signal.SIGTERM)
        run.end(0)
        assert "host-clocks" not in run.samples()[0]


def test_early():
    """a signal before the first sample: status 3, and no log"""
    with peers.Peer(peers.QMP, [peers.Greet(), peers.Expect("qmp_capabilities")]) as qmp, \
            Visited(qmp), tempfile.TemporaryDirectory() as directory:
        with subprocess.Popen([*PROGRAM, "record", "-o", os.path.join(directory, "run.tcs"),
                               "--qmp", qmp.address], stderr=subprocess.PIPE, text=True) as process:
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == UNREACHABLE and "interrupted" in err, err
        assert not os.listdir(directory)


if __name__ == "__main__":
    cases.run(globals())
