#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The collector's agent connection against scripted guest agents: synchronisation, and the way
# through guest-exec. What agents and monitors share is in test_transports.py.
# Argument: the build directory.
import base64
import json

import cases
from peers import (AGENT, GREETING, Close, Drip, Error, Expect, ExpectSync, Flood, Peer, Quiet,
                   Raw, Reply, Sync, agent)
from probe import (NOT_FOUND, PEER, PROTOCOL, TIMEOUT, UNREACHABLE, USAGE, assert_fails,
                   assert_replies, probe)

CLOCKS = "guest-get-trace-clocks"
READINGS = {"counter": "x86-tsc", "clocksource": "tsc", "boot-id": "b", "cpus": [{"cpu": 0}],
            "readings": [{"clock": "mono", "cpu": 0, "counter-before": (1 << 64) - 2,
                          "value": 1 << 63, "counter-after": (1 << 64) - 1,
                          "resolution-ns": 1, "via": "clock_gettime"}],
            "unavailable": []}
NO_COMMAND = Error(f"The command {CLOCKS} has not been found", "CommandNotFound")
PID = {"pid": 1234}


def base64_of(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def ask(script, *calls, prefix="qga:", **options):
    with agent(*script, prefix=prefix) as peer:
        return probe("agent", peer.address, *(calls or [CLOCKS]), **options)


def ask_unsynchronised(*script, timeout_ms=10000):
    """The agent reads the synchronisation's request, then plays the script instead."""
    with Peer(AGENT, [ExpectSync(), *script], prefix="qga:") as peer:
        return probe("agent", peer.address, "guest-ping", timeout_ms=timeout_ms)


def started(*status, arguments=None, then=()):
    """A qemu-ga without the command that runs the helper; the replies to guest-exec-status."""
    exec_arguments = {"path": "trace-clock-agent", "arg": ["--once", *(arguments or [])],
                      "capture-output": True}
    script = [Expect(CLOCKS), NO_COMMAND, Expect("guest-exec", exec_arguments), Reply(PID)]
    for reply in status:
        script += [Expect("guest-exec-status", PID), Reply(reply)]
    return script + list(then)


def exited(out=None, code=0, **more):
    data = {} if out is None else {"out-data": base64_of(out)}
    return {"exited": True, "exitcode": code, **data, **more}


def test_routes():
    """the same call over every address, and the route's name"""
    for prefix, family in [("qga:", "unix"), ("unix:", "unix"), ("tcp:", "tcp"), ("tcp:", "tcp6")]:
        arguments = {"clocks": ["mono"], "samples": 5, "cpus": [0]}
        script = [Expect(CLOCKS, arguments), Reply(READINGS), Expect("guest-ping", {}), Reply({})]
        with agent(*script, prefix=prefix, family=family) as peer:
            result = probe("agent", peer.address, CLOCKS, arguments, "guest-ping")
        assert_replies(result, READINGS, {})
        assert result.route == prefix.rstrip(":"), result.route


def test_stale_output():
    """what an earlier client left behind is skipped"""
    for stale in (b'{"return": {"half', b'{"return": 1}\n{"return": 2}\n', b"\xff\n", b"\xff\xff",
                  b'\xff{"return": 77}\n', b'\xff{"return": "x"}\n\xff[]\n', b"\x00\x01\n" * 1000,
                  b"x" * 1000000, b'{"error": {"class": "GenericError", "desc": "JSON"}}\n',
                  b'\xff{"return": 18446744073709551617}\n'):
        script = [Sync(stale), Expect("guest-ping"), Reply({})]
        with Peer(AGENT, script, prefix="qga:") as peer:
            assert_replies(probe("agent", peer.address, "guest-ping"), {})


def test_not_synchronised():
    """no answer, wrong ids only, dripping, closing"""
    def in_vain(*script):
        result = ask_unsynchronised(*script, timeout_ms=500)
        assert_fails(result, TIMEOUT, within=(0.5, 0.5))
        return result.errors[0][1]

    message = in_vain()
    assert "no answer to guest-sync-delimited" in message and "agent runs" in message
    assert "what came instead: '?[31mlogin: '" in in_vain(Raw(b"\x1b[31mlogin: \n"))
    in_vain(Drip(b"x\xff", 0.01))
    in_vain(Drip(b"x\xff\n", 0.002))
    in_vain(Flood(b'\xff{"return": 1}\n' * 999, 1 << 40))
    with Peer(AGENT, [Sync(offset=1)], prefix="qga:") as peer:
        result = probe("agent", peer.address, "guest-ping", timeout_ms=500)
    assert_fails(result, TIMEOUT, "what came instead", within=(0.5, 0.5))
    assert_fails(ask_unsynchronised(Flood(b"x" * 65536, 100 << 20)), PROTOCOL,
                 "more than 4194304 bytes", within=(0, 1))
    words = "closed the connection while guest-sync-delimited was outstanding"
    assert_fails(ask_unsynchronised(Close()), UNREACHABLE, words)
    assert_fails(ask_unsynchronised(Raw(b'\xff{"retu'), Close()), UNREACHABLE, words)


def test_monitor_as_agent():
    """a QMP monitor given as an agent"""
    result = ask_unsynchronised(Raw(json.dumps(GREETING) + "\r\n"))
    assert_fails(result, PROTOCOL, "this is a QMP monitor")


def test_unasked():
    """an answer from before the question is refused"""
    for early in b'{"return": {}}\n', b'{"return"', b"x":
        script = [Expect("guest-ping"), Raw(b'{"return": {}}\n' + early)]
        result = ask(script, "guest-ping", "guest-info", pause_ms=200)
        assert_fails(result, PROTOCOL, "guest-info", "before the request")
        assert result.replies == [{}]
    script = [Expect("guest-ping"), Raw(b'{"return": {}}\r\n\n  \n'),
              Expect("guest-ping"), Reply(1)]
    assert_replies(ask(script, "guest-ping", "guest-ping", pause_ms=200), {}, 1)


def test_unlike_replies():
    """ids, events and other things an agent does not send are refused"""
    for answer in (b'{"return": {}, "id": 1}', b'{"event": "X"}', b"[]", b"x",
                   b'\xff{"return": {}}', b'{"return": {}}{"return": {}}'):
        result = ask([Expect("guest-ping"), Raw(answer + b"\n")], "guest-ping")
        assert_fails(result, PROTOCOL, "guest-ping")


def test_lost():
    """an agent that stops answering or goes away"""
    result = ask([Expect(CLOCKS)], timeout_ms=500)
    assert_fails(result, TIMEOUT, f"no answer to {CLOCKS}", within=(0.5, 0.5))
    result = ask([Expect(CLOCKS), Raw('{"return": {'), Close()])
    assert_fails(result, UNREACHABLE, f"closed the connection while {CLOCKS} was outstanding")


def test_exec():
    """without the command, guest-exec runs the helper, now and for later calls"""
    arguments = {"clocks": ["mono", "x86-tsc"], "samples": 9, "cpus": [0, 3]}
    options = ["--clocks", "mono,x86-tsc", "--samples", "9", "--cpus", "0,3"]
    again = [Expect("guest-exec"), Reply({"pid": 2}), Expect("guest-exec-status", {"pid": 2}),
             Reply(exited(json.dumps({**READINGS, "boot-id": "c"})))]
    script = started({"exited": False}, {"exited": False}, exited(json.dumps(READINGS) + "\n"),
                     arguments=options, then=[*again, Expect("guest-ping"), Reply({})])
    result = ask(script, CLOCKS, arguments, CLOCKS, "guest-ping")
    assert_replies(result, READINGS, {**READINGS, "boot-id": "c"}, {})
    assert "18446744073709551614" in result.raw_replies[0]
    assert result.route == "qga-exec", result.route
    assert_replies(ask(started(exited(json.dumps(READINGS)))), READINGS)


def test_exec_polls_gently():
    """the result is asked for ever more rarely, a few times in half a second"""
    running = [{"exited": False}] * 8
    script = started(*running, exited(json.dumps(READINGS)))
    result = ask(script)
    assert_replies(result, READINGS)
    assert result.seconds > 0.1, result.seconds


def test_no_exec():
    """no way: what to do is said"""
    for reason in "Command guest-exec has been disabled", "not found":
        script = [Expect(CLOCKS), NO_COMMAND,
                  Expect("guest-exec"), Error(reason, "CommandNotFound"),
                  Expect("guest-ping"), Reply({})]
        result = ask(script, CLOCKS, "guest-ping")
        assert_fails(result, NOT_FOUND, reason, "has no guest-get-trace-clocks", "extension",
                     "block-rpcs", "--listen vsock")
        assert result.replies == [{}] and result.route == "qga"
    script = [Expect(CLOCKS), NO_COMMAND, Expect("guest-exec"),
              Error("Failed to execute child process (No such file or directory)")]
    assert_fails(ask(script), PEER, "No such file", "install trace-clock-agent in the guest")


def test_only_qga_execs():
    """an agent of our own is not asked to execute anything"""
    result = ask([Expect(CLOCKS), NO_COMMAND], prefix="unix:")
    assert_fails(result, NOT_FOUND, "not available there")
    result = ask([Expect("guest-foo"), Error("x", "CommandNotFound")], "guest-foo")
    assert_fails(result, NOT_FOUND, "guest-foo is not available")
    result = ask([Expect(CLOCKS), Error("no counter")])
    assert_fails(result, PEER, "no counter")


def test_helper_fails():
    """the helper's own failure is passed on"""
    stderr = base64_of("trace-clock-agent: \x1b[1munknown option\n")
    result = ask(started(exited(code=2, **{"err-data": stderr})))
    assert_fails(result, PEER, "exit status 2", "?[1munknown option;")
    assert_fails(ask(started(exited(code=1))), PEER, "exit status 1", "no message")
    assert_fails(ask(started({"exited": True, "signal": 9})), PEER, "signal 9")
    stderr = base64_of(b"\xff\x00" * 5000)
    result = ask(started(exited(code=3, **{"err-data": stderr})))
    assert_fails(result, PEER, "exit status 3", "...")


def test_helper_output():
    """output that is not what it should be is refused"""
    for status in (exited(), exited(""), exited("x"), exited("[]"), exited('{"a":1}{}'),
                   exited('{"n": 18446744073709551616}'), exited("{" * 100), exited(b"\xff"),
                   exited("{}", **{"out-truncated": True}), exited("{}", **{"out-truncated": 1}),
                   exited(**{"out-data": "e30"}), exited(**{"out-data": "e30=e30="}),
                   exited(**{"out-data": "e3 0="}), exited(**{"out-data": 1}),
                   exited("{}", code="0"), exited("{}", code=None), {}, {"exited": 1}, [], 1):
        assert_fails(ask(started(status)), PROTOCOL, "trace-clock-agent", "guest-exec")
    for pid in {}, {"pid": "1"}, {"pid": 1 << 63}, []:
        script = [Expect(CLOCKS), NO_COMMAND, Expect("guest-exec"), Reply(pid)]
        assert_fails(ask(script), PROTOCOL, "reply to guest-exec is refused")


def test_helper_hangs():
    """a helper that does not finish, and a qemu-ga that goes away meanwhile"""
    class Running:
        """As many polls as come; the answer is always that it runs."""

        def run(self, line):
            count = 0
            try:
                while True:
                    Expect("guest-exec-status", PID).run(line)
                    Reply({"exited": False}).run(line)
                    count += 1
            except Exception:  # pylint: disable=broad-except  # the client left
                assert 1 < count < 40, count

    result = ask(started(then=[Running()]), timeout_ms=1000)
    assert_fails(result, TIMEOUT, "within the time limit", within=(0.9, 1))
    polled = [Expect("guest-exec-status")]
    result = ask(started(then=polled), timeout_ms=500)
    assert_fails(result, TIMEOUT, "no answer to guest-exec-status", within=(0.5, 0.5))
    result = ask(started(then=[*polled, Close()]))
    assert_fails(result, UNREACHABLE, "closed the connection while guest-exec-status")


def test_queue():
    """a call waits until guest-exec is through"""
    script = started({"exited": False}, exited(json.dumps(READINGS)),
                     then=[Expect("guest-ping"), Quiet(0.2), Reply({}),
                           Expect("guest-info"), Reply(1)])
    assert_replies(ask(script, CLOCKS, "guest-ping", "guest-info"), READINGS, {}, 1)


def test_bad_arguments():
    """arguments that cannot be options are refused here"""
    class AnyRequest:
        def run(self, line):
            line.read()

    for arguments in {"clocks": ["a,b"]}, {"clocks": [""]}, {"clocks": "a"}, {"other": 1}:
        result = ask([AnyRequest(), NO_COMMAND], CLOCKS, arguments)
        assert_fails(result, USAGE, "cannot be passed")


def test_addresses():
    """malformed addresses are usage errors that show the accepted forms"""
    for address in ("", "/path", "qga:", "unix:", "qga", "vsock:", "vsock:0", "vsock:4294967295",
                    "vsock:-1", "vsock:3:", "vsock:3:0", "vsock:3:1:2", "vsock:x", "vsock:3:x",
                    "vsock:99999999999999999999", "tcp:", "tcp:host", "localhost:1", "QGA:/x"):
        result = probe("agent", address, "guest-ping")
        assert_fails(result, USAGE, f"agent address '{address}'", "vsock:CID[:PORT]")


def test_vsock_nobody():
    """a vsock address without a VM"""
    result = probe("agent", "vsock:4294967294:18230", "guest-ping", timeout_ms=500)
    code = result.errors[0][0]
    assert code in (UNREACHABLE, TIMEOUT), result.errors
    assert_fails(result, code, "vsock:4294967294:18230")


if __name__ == "__main__":
    cases.run(globals())
