#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# test_agent_qga.py BUILD_DIR [TEST...]: the machine's stock qemu-ga, with the extension
# preloaded and with guest-exec of trace-clock-agent. Python only; prints TAP.
import base64
import os
import shutil
import subprocess
import sys

from peers import is_listening
from test_agent_common import (COMMAND, FTRACE_CLOCKS, POSIX_CLOCKS, PROBE, Client, Skip,
                               check_reply, parse, run, until)

QEMU_GA = shutil.which("qemu-ga", path="/usr/sbin:/usr/bin:/sbin:/bin")


class QemuGa:
    """A stock qemu-ga on a unix socket, and a client of it."""

    def __init__(self, bench, *options, preload=True):
        if QEMU_GA is None:
            raise Skip("no qemu-ga on this machine (package qemu-guest-agent)")
        path = bench.path("qga.sock")
        if os.path.exists(path):
            os.unlink(path)  # left by an earlier one
        environment = dict(os.environ)
        if preload:
            environment["LD_PRELOAD"] = bench.extension
        self.log = open(bench.path("log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [QEMU_GA, "-m", "unix-listen", "-p", path, "-t", bench.directory,
             *options], env=environment, stderr=self.log, cwd="/")
        try:
            until(lambda: is_listening(path), "qemu-ga listens")
            self.client = Client.unix(path)
        except BaseException:
            self.process.kill()  # else it keeps this program's output open
            self.process.wait()
            raise

    def __enter__(self):
        self.client.pid = self.process.pid
        return self.client

    def __exit__(self, kind, *_):
        self.client.close()
        with self.process, self.log:
            self.process.terminate()
            status = self.process.wait(5)
            self.log.seek(0)
            log = self.log.read()
        if kind is None:
            assert status == 0 and "trace-clock" not in log, (status, log)


def listed(client):
    """Which of the two commands guest-info lists, and whether enabled."""
    commands = client.ask("guest-info")["return"]["supported_commands"]
    return {c["name"]: c["enabled"] for c in commands if c["name"] in (COMMAND, PROBE)}


def execute(client, path, *arguments):
    """Output of a program run by guest-exec."""
    reply = client.ask("guest-exec", {"path": path, "arg": list(arguments),
                                      "capture-output": True})
    pid = reply["return"]["pid"]

    def finished():
        state = client.ask("guest-exec-status", {"pid": pid})["return"]
        return state if state["exited"] else None

    state = until(finished, "the program ends")
    assert state["exitcode"] == 0, state
    return base64.b64decode(state.get("out-data", "")).decode()


def extension(bench):
    """The preloaded extension answers as the contract says"""
    with QemuGa(bench) as client:
        assert listed(client) == {COMMAND: True, PROBE: True}
        reply = client.ask(COMMAND)["return"]
        assert [r["clock"] for r in reply["readings"]
                if r["clock"] not in FTRACE_CLOCKS] == \
            ["x86-tsc"] + POSIX_CLOCKS, reply
        reply = client.ask(COMMAND, {"clocks": ["tai", "x"], "cpus": [0],
                                     "samples": 1})["return"]
        assert [r["clock"] for r in reply["readings"]] == ["tai"], reply
        assert [u["clock"] for u in reply["unavailable"]] == ["x"], reply
        for arguments, text in [({"x": 1}, "'x'"), ({"samples": 0}, "samples"),
                                ({"cpus": [8191]}, "CPU 8191"),
                                ({"clocks": ["a" * 70000]}, "too long"),
                                ({"clocks": "mono"}, "clocks")]:
            error = client.ask(COMMAND, arguments)["error"]
            assert error["class"] == "GenericError", error
            assert text in error["desc"], error
        depth = 0
        arguments = {}
        while depth < 100:
            arguments = {"clocks": arguments}
            depth += 1
        assert "deep" in client.ask(COMMAND, arguments)["error"]["desc"]
        for _ in range(200):
            assert "return" in client.ask(COMMAND)
        client.works()


def absent(bench):
    """Without the extension the same qemu-ga does not know the command"""
    with QemuGa(bench, preload=False) as client:
        assert not listed(client)
        for command in COMMAND, PROBE:
            assert client.ask(command)["error"]["class"] == "CommandNotFound"


def probes(bench):
    """The extension answers probes, and cleans up after itself"""
    with QemuGa(bench) as client:
        cpus = sorted(os.sched_getaffinity(client.pid))
        last = 0
        for i in range(200):
            arguments = [None, {}, {"cpu": cpus[0]}, {"cpu": cpus[-1]}][i % 4]
            reply = client.ask(PROBE, arguments, id=i)
            assert reply["id"] == i, reply
            assert reply["return"]["counter-receive"] >= last, reply
            last = reply["return"]["counter-transmit"]
        for arguments, text in [({"cpus": [0]}, "'cpus'"), ({"cpu": "0"}, "'cpu'"),
                                ({"cpu": -1}, "'cpu'"), ({"cpu": 8191}, "CPU 8191"),
                                ({"cpu": [0] * 70000}, "too long")]:
            error = client.ask(PROBE, arguments)["error"]
            assert error["class"] == "GenericError", error
            assert text in error["desc"], error
        assert sorted(os.sched_getaffinity(client.pid)) == cpus


def blocked(bench):
    """The administrator's block list holds for each added command"""
    for command in COMMAND, PROBE:
        with QemuGa(bench, "-b", command) as client:
            other = {COMMAND: PROBE, PROBE: COMMAND}[command]
            assert listed(client) == {command: False, other: True}
            assert "error" in client.ask(command)
            assert "return" in client.ask(other)
            client.works()


def guest_exec(bench):
    """guest-exec of trace-clock-agent --once works through a stock qemu-ga"""
    with QemuGa(bench, preload=False) as client:
        text = execute(client, bench.agent, "--once", "--cpus", "0")
        check_reply(parse(text))
        text = execute(client, bench.agent, "--once", "--clocks", "mono")
        assert len(check_reply(parse(text))["readings"]) == 1


def environment_left(bench):
    """What guest-exec starts does not inherit the extension"""
    with QemuGa(bench) as client:
        assert "LD_PRELOAD" not in execute(client, shutil.which("env"))


def other_process(bench):
    """In a process that is not qemu-ga the extension does nothing"""
    environment = dict(os.environ, LD_PRELOAD=bench.extension)
    done = subprocess.run([bench.agent, "--listen", "nonsense"],
                          env=environment, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    done = subprocess.run(["sh", "-c", "echo $LD_PRELOAD"], env=environment,
                          capture_output=True, text=True, check=True)
    assert done.stdout == bench.extension + "\n" and not done.stderr, done


def refuses_clearly(bench):
    """A qemu-ga without the symbols says so and works on"""
    disguised = bench.path("qemu-ga")  # a program that has none of them
    shutil.copy(bench.agent, disguised)
    done = subprocess.run([disguised, "--listen", "nonsense"],
                          env=dict(os.environ, LD_PRELOAD=bench.extension),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert "ga_commands" in done.stderr and "nonsense" in done.stderr, done


if __name__ == "__main__":
    sys.exit(run([extension, absent, probes, blocked, guest_exec, environment_left,
                  other_process, refuses_clearly], sys.argv))
