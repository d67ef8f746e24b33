#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The collector's connections against the real thing: the machine's QEMU and qemu-ga, and our own
# agent. No VM runs: QEMU has no machine, and the agents run here. Argument: the build directory.
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import cases
from peers import SCHEMA, is_listening
from probe import (BUILD, NOT_FOUND, PEER, PROTOCOL, TIMEOUT, UNREACHABLE, assert_fails,
                   assert_replies, instrumented, probe)

CLOCKS = "guest-get-trace-clocks"
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
AGENT_BINARY = os.path.abspath(os.path.join(BUILD, "guest-agent/trace-clock-agent"))
EXTENSION = os.path.abspath(os.path.join(BUILD, "guest-agent/qga-extension.so"))


@contextlib.contextmanager
def running(*command, sockets, **options):
    """The program, once it listens on the sockets. It ends with the block."""
    program = shutil.which(command[0], path=SEARCH)
    if program is None:
        cases.skip(f"{command[0]} is not installed")
    with tempfile.TemporaryFile() as log, \
            subprocess.Popen([program, *command[1:]], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, **options) as process:
        try:
            deadline = time.monotonic() + 20
            while not all(is_listening(path) for path in sockets):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(f"{command[0]} does not start: {log.read()[-2000:]}")
                time.sleep(0.02)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


@contextlib.contextmanager
def qemu(*sockets):
    """Sockets: pairs of an option and a path."""
    arguments = [word for option, path in sockets
                 for word in (option, f"unix:{path},server=on,wait=off")]
    with running("qemu-system-x86_64", "-accel", "tcg", "-M", "none", "-nodefaults", "-display",
                 "none", *arguments, sockets=[path for _, path in sockets]) as process:
        yield process


@contextlib.contextmanager
def directory():
    with tempfile.TemporaryDirectory(prefix="real-") as path:
        yield path


@contextlib.contextmanager
def qemu_ga(*options, helper=None, preload=None):
    """The address of a qemu-ga; `helper` becomes trace-clock-agent in its PATH."""
    with directory() as where:
        path = os.path.join(where, "qga.sock")
        programs = os.path.join(where, "bin")
        os.mkdir(programs)
        if helper:
            os.symlink(helper, os.path.join(programs, "trace-clock-agent"))
        environment = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin"}
        if preload:
            environment["LD_PRELOAD"] = preload
        with running("qemu-ga", "-m", "unix-listen", "-p", path, "-t", where, *options,
                     sockets=[path], env=environment):
            yield "qga:" + path


def test_qemu():
    """QEMU answers, with its events in between"""
    with directory() as where, qemu(("-qmp", where + "/q")):
        result = probe("qmp", where + "/q", "query-status", "stop", "query-status", "cont",
                       "query-trace-clock-sync", "query-status")
    assert_fails(result, NOT_FOUND, "query-trace-clock-sync is not available")
    assert [r.get("running") for r in result.replies] == [True, None, False, None, True]


def test_qemu_tcp():
    """QEMU over TCP"""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    with directory() as where, \
            running("qemu-system-x86_64", "-accel", "tcg", "-M", "none", "-nodefaults", "-display",
                    "none", "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off", "-monitor",
                    f"unix:{where}/up,server=on,wait=off", sockets=[where + "/up"]):
        assert_replies(probe("qmp", f"127.0.0.1:{port}", "query-name"), {})


def test_held_monitor():
    """a monitor that another client holds"""
    with directory() as where, qemu(("-qmp", where + "/q")):
        with socket.socket(socket.AF_UNIX) as holder:
            holder.connect(where + "/q")
            assert b"QMP" in holder.recv(4096)
            result = probe("qmp", where + "/q", "query-status", timeout_ms=500)
        assert_fails(result, TIMEOUT, "another client probably holds", within=(0.5, 0.5))
        assert probe("qmp", where + "/q", "query-status").status == 0


def test_other_monitors():
    """the human monitor, and a pretty one"""
    with directory() as where, qemu(("-monitor", where + "/m"), ("-qmp-pretty", where + "/p")):
        assert_fails(probe("qmp", where + "/m", "query-status"), PROTOCOL, "human monitor")
        assert_fails(probe("qmp", where + "/p", "query-status"), PROTOCOL, "pretty")
        result = probe("agent", "qga:" + where + "/m", "guest-ping", timeout_ms=1500)
        assert_fails(result, TIMEOUT, "what came instead")


def test_qemu_ends():
    """QEMU killed or stopped between two calls"""
    for number, code, words in [
            (signal.SIGKILL, UNREACHABLE, "closed the connection while query-status"),
            (signal.SIGSTOP, TIMEOUT, "no answer to query-status")]:
        with directory() as where, qemu(("-qmp", where + "/q")) as process:
            result = probe("qmp", where + "/q", "query-status", "query-status", pause_ms=300,
                           timeout_ms=2000,
                           after_first=lambda: process.send_signal(number))
        assert_fails(result, code, words)
        assert len(result.replies) == 1


def test_qemu_ga():
    """qemu-ga answers; half a request of an earlier client does not disturb"""
    with qemu_ga() as address:
        assert_replies(probe("agent", address, "guest-ping", "guest-ping"), {}, {})
        with socket.socket(socket.AF_UNIX) as earlier:
            earlier.connect(address.removeprefix("qga:"))
            earlier.sendall(b'{"execute": "guest-p')
            time.sleep(0.2)
        assert_replies(probe("agent", address, "guest-ping"), {})


def test_no_helper():
    """qemu-ga without trace-clock-agent, or without guest-exec"""
    with qemu_ga() as address:
        result = probe("agent", address, CLOCKS, "guest-ping")
        assert_fails(result, PEER, "No such file", "install trace-clock-agent")
        assert result.replies == [{}] and result.route == "qga"
    with qemu_ga("-b", "guest-exec") as address:
        result = probe("agent", address, CLOCKS, "guest-ping")
        assert_fails(result, NOT_FOUND, "guest-exec", "disabled", "--listen vsock")
        assert result.replies == [{}]


def script_helper(where, text):
    path = os.path.join(where, "helper")
    with open(path, "w", encoding="utf8") as f:
        f.write("#!/bin/sh\n" + text + "\n")
    os.chmod(path, 0o755)
    return path


def test_helper_script():
    """guest-exec of a helper: its options, its failure, its delay"""
    with directory() as where:
        helper = script_helper(where, 'sleep 0.3; echo "{\\"arguments\\": \\"$*\\"}"')
        arguments = {"clocks": ["mono", "boot"], "samples": 3}
        with qemu_ga(helper=helper) as address:
            result = probe("agent", address, CLOCKS, arguments, CLOCKS)
        assert_replies(result, {"arguments": "--once --clocks mono,boot --samples 3"},
                       {"arguments": "--once"})
        assert result.route == "qga-exec"
        helper = script_helper(where, "echo broken >&2; exit 7")
        with qemu_ga(helper=helper) as address:
            result = probe("agent", address, CLOCKS)
        assert_fails(result, PEER, "exit status 7: broken;")
        helper = script_helper(where, "exec sleep 5")
        with qemu_ga(helper=helper) as address:
            result = probe("agent", address, CLOCKS, timeout_ms=1500)
        assert_fails(result, TIMEOUT, "within the time limit", within=(1.4, 1.5))
        helper = script_helper(where, "head -c 5000000 /dev/zero")
        with qemu_ga(helper=helper) as address:
            result = probe("agent", address, CLOCKS)
        assert_fails(result, PROTOCOL)


def assert_readings(result, route):
    assert result.status == 0, result.errors
    assert result.route == route, result.route
    for reply in result.replies:
        SCHEMA.check_reply(CLOCKS, reply)
        assert {r["clock"] for r in reply["readings"]} >= {"x86-tsc", "mono"}, reply


def test_agent_through_exec():
    """our agent through guest-exec"""
    if not os.path.exists(AGENT_BINARY):
        cases.skip("trace-clock-agent is not built")
    with qemu_ga(helper=AGENT_BINARY) as address:
        assert_readings(probe("agent", address, CLOCKS, {"samples": 4}, CLOCKS), "qga-exec")
        result = probe("agent", address, CLOCKS, {"samples": 0})
        assert_fails(result, PEER, "exit status 2")


def test_agent_preloaded():
    """qemu-ga with our extension"""
    if not os.path.exists(EXTENSION):
        cases.skip("the extension of qemu-ga is not built")
    if instrumented():
        cases.skip("a library with a sanitizer cannot be preloaded into a program without")
    with qemu_ga(preload=EXTENSION) as address:
        assert_readings(probe("agent", address, CLOCKS, {"clocks": ["x86-tsc", "mono"]}), "qga")


def test_agent_listening():
    """our agent over a Unix socket and TCP"""
    if not os.path.exists(AGENT_BINARY):
        cases.skip("trace-clock-agent is not built")
    with directory() as where:
        path = where + "/a"
        with running(AGENT_BINARY, "--listen", "unix:" + path, sockets=[path]):
            assert_readings(probe("agent", "unix:" + path, CLOCKS, CLOCKS), "unix")
            result = probe("agent", "unix:" + path, CLOCKS, {"samples": 0}, "guest-ping")
            assert_fails(result, PEER, "samples")
            assert result.replies == [{}]
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        with running(AGENT_BINARY, "--listen", f"tcp:127.0.0.1:{port}", "--listen",
                     "unix:" + path + "2", sockets=[path + "2"]):
            time.sleep(0.2)
            assert_readings(probe("agent", f"tcp:127.0.0.1:{port}", CLOCKS), "tcp")


if __name__ == "__main__":
    cases.run(globals())
