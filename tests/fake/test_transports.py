#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# The collector's QMP connection against scripted monitors: well-behaved, slow, broken, hostile.
# Argument: the build directory.
import json
import socket
import tempfile
import threading

import cases
from peers import (AGENT, QMP, Close, Drip, Error, Event, Expect, Flood, Greet, Peer, Quiet, Raw,
                   Reply, Sleep, monitor)
from probe import (NOT_FOUND, PEER, PROTOCOL, TIMEOUT, UNREACHABLE, USAGE, assert_fails,
                   assert_replies, instrumented, probe)

ASK = Expect("query-status", {})
LIMIT_BYTES = 4 << 20


def ask(script, *calls, family="unix", **options):
    """query-status (or `calls`) of a monitor that plays this script."""
    with monitor(*script, family=family) as peer:
        return probe("qmp", peer.address, *(calls or ["query-status"]), **options)


def test_reply():
    """a reply comes back as it was sent, 64-bit integers included"""
    value = {"u": (1 << 64) - 1, "i": -(1 << 63), "s": "ä\u202e", "l": [1.5, None, True, {}]}
    result = ask([ASK, Reply(value)])
    assert_replies(result, value)
    assert '"u":18446744073709551615,"i":-9223372036854775808' in result.raw_replies[0]
    assert result.route == "none"


def test_families():
    """Unix, IPv4, IPv6 and host name, with and without prefix"""
    for family, prefix in [("unix", ""), ("unix", "unix:"), ("tcp", ""), ("tcp", "tcp:"),
                           ("tcp6", ""), ("tcp6", "tcp:")]:
        with monitor(ASK, Reply({}), family=family) as peer:
            address = prefix + peer.address.removeprefix("unix:")
            assert_replies(probe("qmp", address, "query-status"), {})
    with monitor(ASK, Reply({}), family="tcp") as peer:
        address = peer.address.replace("127.0.0.1", "localhost")
        assert_replies(probe("qmp", address, "query-status"), {})


def test_queue():
    """calls on one connection are sent one after the other, in order"""
    script = [Expect("first", {"a": 1}), Quiet(0.2), Reply(1),
              Expect("second", {}), Quiet(0.2), Reply("2"), Expect("third"), Reply([3])]
    assert_replies(ask(script, "first", {"a": 1}, "second", "third"), 1, "2", [3])


def test_events():
    """events are skipped, wherever they come"""
    script = [Event("A"), Event("B"), ASK, Event("C"), Reply({"x": 1}), Event("D"), ASK, Reply(2)]
    assert_replies(ask(script, "query-status", "query-status"), {"x": 1}, 2)
    # Not before the greeting, which is always first.
    with Peer(QMP, [Event("E"), Greet()]) as peer:
        assert_fails(probe("qmp", peer.address, "query-status"), PROTOCOL, "not QMP")


def test_pieces():
    """a reply in many pieces, blank lines, and several messages in one piece"""
    reply = b'\r\n\n{"event":"E"}\n \t\r\n{"return":{"a":[1,2]},"id":"@ID@"}\n'
    assert_replies(ask([ASK, Raw(reply)]), {"a": [1, 2]})
    script = [ASK]
    for piece in (b"\r", b'\n{"ret', b'urn":', b"7", b"7", b',"id":"@ID@"', b"}", b"\n"):
        script += [Raw(piece), Sleep(0.02)]
    assert_replies(ask(script), 77)


def test_refused_command():
    """an error reply fails the call and leaves the connection usable"""
    script = [Expect("nonsense"), Error("The command nonsense has not been found",
                                        "CommandNotFound"),
              Expect("stop"), Error("no, \x1b[31mno\u202e\n!"), ASK, Reply({"ok": True})]
    result = ask(script, "nonsense", "stop", "query-status")
    assert [code for code, _ in result.errors] == [NOT_FOUND, PEER] and result.status == 3
    assert "nonsense is not available" in result.errors[0][1]
    assert "stop failed there: no, ?[31mno? !" in result.errors[1][1]
    assert result.replies == [{"ok": True}]


def test_silence():
    """no reply within the time limit; calls after that fail at once"""
    result = ask([ASK], "query-status", "query-status", "query-name", timeout_ms=4000)
    assert [code for code, _ in result.errors] == [TIMEOUT] * 3 and result.status == 3
    assert "no answer to query-status within the time limit" in result.errors[0][1]
    assert "query-name was not sent" in result.errors[2][1]
    assert instrumented() or 4 <= result.seconds < 8, result.seconds  # one limit, not three


def test_drip():
    """bytes that drip in do not extend the time limit"""
    result = ask([ASK, Drip(b'{"return":{},' + b" " * 100, 0.02)], timeout_ms=700)
    assert_fails(result, TIMEOUT, "query-status", within=(0.7, 0.7))
    result = ask([ASK, Drip(b'{"event":"E"}\n', 0.005)], timeout_ms=700)
    assert_fails(result, TIMEOUT, "query-status", within=(0.7, 0.7))


def test_flood_of_events():
    """events without end neither extend the time limit nor fill memory"""
    result = ask([ASK, Flood(b'{"event":"E","data":{}}\n' * 3000, 1 << 40)], timeout_ms=700)
    assert_fails(result, TIMEOUT, "query-status", within=(0.7, 0.7))
    result = ask([ASK, Flood(b"\n" * 65536, 1 << 40)], timeout_ms=700)
    assert_fails(result, TIMEOUT, "query-status", within=(0.7, 0.7))


def test_closes():
    """a monitor that goes away in the middle"""
    words = "closed the connection while query-status was outstanding"
    for family in "unix", "tcp":
        assert_fails(ask([ASK, Close()], family=family), UNREACHABLE, words)
        assert_fails(ask([ASK, Raw('{"return": {'), Close()], family=family), UNREACHABLE, words)
    assert_fails(ask([ASK, Close(reset=True)], family="tcp"), UNREACHABLE, words)
    # Between two calls: the second one finds out.
    result = ask([ASK, Reply({}), Close()], "query-status", "query-name", pause_ms=200)
    assert_fails(result, UNREACHABLE, "while query-name was outstanding")
    assert result.replies == [{}]


def test_wrong_ids():
    """an answer to something else is refused"""
    for answer in ('{"return": {}, "id": "tcs-1"}', '{"return": {}, "id": 1}', '{"return": {}}',
                   '{"return": {}, "id": null}', '{"return": {}, "id": {"a": "@ID@"}}',
                   '{"error": {"class": "GenericError", "desc": "x"}, "id": 7}'):
        assert_fails(ask([ASK, Raw(answer + "\n")]), PROTOCOL, "its id is not the request's")
    answer = '{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n'
    assert_fails(ask([ASK, Raw(answer)]), PROTOCOL, "belongs to no request", "JSON parse error")


def test_unasked():
    """a reply before its request, or twice, is refused"""
    for early in '{"return": 2, "id": "@ID@"}', '{"return": 2, "id": "tcs-0"}', '{"return": 2}':
        answers = Raw('{"return": 1, "id": "@ID@"}\n' + early + "\n")
        # The second request is not even sent.
        result = ask([ASK, answers], "query-status", "query-name", pause_ms=200)
        assert_fails(result, PROTOCOL, "answer to query-name", "not asked")
        assert result.replies == [1]


def test_shapes():
    """valid JSON that is no reply is refused"""
    for answer in ("[]", "1", '"return"', "true", "{}", '{"id": "@ID@"}', "null",
                   '{"return": 1, "error": {}, "id": "@ID@"}', '{"return": null, "id": "@ID@"}',
                   '{"error": "x", "id": "@ID@"}', '{"error": null, "id": "@ID@"}',
                   '{"QMP": {}}'):
        assert_fails(ask([ASK, Raw(answer + "\n")]), PROTOCOL, "query-status", "refused")
    # An error without what it should have is still an error.
    answer = '{"error": {"class": 7}, "id": "@ID@"}\n'
    assert_fails(ask([ASK, Raw(answer)]), PEER, "failed there: ?")


def test_not_json():
    """what is not acceptable JSON is refused, with the reason"""
    for inside, reason in [
            (b'"\xff\xfe"', "UTF-8"), (b'"\xc0\x80"', "UTF-8"), (b'"\xed\xa0\x80"', "UTF-8"),
            (b'"\x00"', "UTF-8"), (b'"\\u0000"', "NUL"), (b'"\x1b"', "control character"),
            (b"18446744073709551616", "64 bits"), (b"-9223372036854775809", "64 bits"),
            (b"1" * 4000, "number"), (b"NaN", "unexpected"), (b"01", "malformed number"),
            (b"1e999", "too large"), (b"{},{}", ""), (b'{"a":1,"a":2}', "twice"),
            (b"[" * 32 + b"]" * 32, "too deep"), (b"[" * 10000 + b"]" * 10000, "too deep"),
            (b"[" * 10000, "too deep"), (b"'a'", "unexpected")]:
        result = ask([ASK, Raw(b'{"return": ' + inside + b', "id": "@ID@"}\n')])
        assert_fails(result, PROTOCOL, "query-status", "not acceptable JSON", reason)
    for after in b"{}", b" 1", b"x", b"}", b"\x00":
        result = ask([ASK, Raw(b'{"return": {}, "id": "@ID@"}' + after + b"\n")])
        assert_fails(result, PROTOCOL, "not acceptable JSON")


def test_depth_limit():
    """the deepest nesting that is allowed passes"""
    deep = json.loads("[" * 31 + "]" * 31)
    assert_replies(ask([ASK, Reply(deep)]), deep)


def test_large_reply():
    """a line of exactly 4 MiB passes, one byte more is refused"""
    frame = '{"return": "", "id": "@ID@"}'
    size = LIMIT_BYTES - len(frame) - len("tcs-0123456789abcdef") + len("@ID@")
    result = ask([ASK, Raw('{"return": "' + "x" * size + '", "id": "@ID@"}\n')])
    assert_replies(result, "x" * size)
    result = ask([ASK, Raw('{"return": "' + "x" * (size + 1) + '", "id": "@ID@"}\n')])
    assert_fails(result, PROTOCOL, "more than 4194304 bytes")


def test_endless_line():
    """a line of 100 MB is refused when it passes the limit"""
    result = ask([ASK, Raw('{"return": "'), Flood(b"x" * 65536, 100 << 20)])
    assert_fails(result, PROTOCOL, "more than 4194304 bytes", within=(0, 1))
    with Peer(QMP, [Flood(b"x" * 65536, 100 << 20)]) as peer:
        result = probe("qmp", peer.address, "query-status")
    assert_fails(result, PROTOCOL, "more than 4194304 bytes", within=(0, 1))


def test_many_values():
    """4 MB of tiny values do not become 400 MB of objects"""
    for value in b"[],", b"{},", b"0,", b'{"a":0},', b'"",':
        body = b"[" + value * (4000000 // len(value)) + b"0]"
        result = ask([ASK, Raw(b'{"return": ' + body + b', "id": "@ID@"}\n')])
        assert_fails(result, PROTOCOL, "too many values")
    many = [[]] * 130000
    assert_replies(ask([ASK, Reply(many)]), many)


def test_no_greeting():
    """no greeting, or something else, in place of QMP"""
    def greeted_by(*script, timeout_ms=10000):
        with Peer(QMP, list(script)) as peer:
            return probe("qmp", peer.address, "query-status", timeout_ms=timeout_ms)

    words = "another client probably holds this monitor"
    assert_fails(greeted_by(timeout_ms=500), TIMEOUT, words, within=(0.5, 0.5))
    assert_fails(greeted_by(Drip(b" \n", 0.01), timeout_ms=500), TIMEOUT, words)
    assert_fails(greeted_by(Close()), UNREACHABLE, "without a QMP greeting")
    assert_fails(greeted_by(Raw('{"QMP":'), Close()), UNREACHABLE, "without a QMP greeting")
    for line, hint in [
            ("QEMU 7.2.0 monitor - type 'help' for more information", "human monitor"),
            ("{", "pretty"), ("SSH-2.0-x", "-qmp socket"), ('{"QMP": 1}', "not an object"),
            ('{"return": {}}', "'QMP' is missing"), ("[]", "not an object")]:
        assert_fails(greeted_by(Raw(line + "\r\n")), PROTOCOL, "this is not QMP", hint)
    assert_fails(greeted_by(Raw(b"\xff\x1b[2J\n")), PROTOCOL, "'??[2J'", "UTF-8")


def test_no_capabilities():
    """negotiation that fails or does not end"""
    def after_greeting(*script, timeout_ms=10000):
        with Peer(QMP, [Greet(), Expect("qmp_capabilities"), *script]) as peer:
            return probe("qmp", peer.address, "query-status", timeout_ms=timeout_ms)

    assert_fails(after_greeting(timeout_ms=1500), TIMEOUT, "qmp_capabilities", within=(1.5, 1.5))
    assert_fails(after_greeting(Error("no")), PEER, "qmp_capabilities failed there: no")
    assert_fails(after_greeting(Close()), UNREACHABLE, "qmp_capabilities was outstanding")


def test_one_limit_for_connecting():
    """greeting and negotiation share one time limit"""
    script = [Sleep(1), Greet(), Expect("qmp_capabilities"), Sleep(1.5), Reply({})]
    with Peer(QMP, script) as peer:
        result = probe("qmp", peer.address, "query-status", timeout_ms=2000)
    assert_fails(result, TIMEOUT, "qmp_capabilities within the time limit", within=(2, 2))


def test_busy():
    """a monitor whose backlog is full, for good or for a moment"""
    def with_full_backlog(frees_a_place):
        clients = []
        with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(directory + "/socket")
            listener.listen(1)
            while True:
                clients.append(socket.socket(socket.AF_UNIX))
                clients[-1].setblocking(False)
                try:
                    clients[-1].connect(directory + "/socket")
                except BlockingIOError:
                    break
            if frees_a_place:
                threading.Timer(0.3, lambda: clients.append(listener.accept()[0])).start()
            result = probe("qmp", directory + "/socket", "query-status", timeout_ms=1500)
            for client in clients:
                client.close()
        return result

    words = "another client probably holds"
    assert_fails(with_full_backlog(False), TIMEOUT, "no connection", words, within=(1.5, 1.5))
    assert_fails(with_full_backlog(True), TIMEOUT, "connected, but no QMP greeting", words)


def test_nobody_there():
    """nothing listens at the address"""
    with Peer(QMP, [Close()]) as peer:
        path = peer.address.removeprefix("unix:")
        probe("qmp", path, "query-status")
        peer.stop_listening()
        assert_fails(probe("qmp", path, "query-status"), UNREACHABLE, path, "refused")
    assert_fails(probe("qmp", path, "query-status"), UNREACHABLE, path, "No such file")
    with Peer(QMP, [Close()], family="tcp") as peer:
        probe("qmp", peer.address, "query-status")
    result = probe("qmp", peer.address, "query-status")
    assert_fails(result, UNREACHABLE, peer.address, "refused")
    assert_fails(probe("qmp", "/", "query-status"), UNREACHABLE, "unix:/")


def test_addresses():
    """malformed addresses are usage errors that show the accepted forms"""
    for address in ("", "unix:", "tcp:", "tcp:host", "host:", "host:0", "host:65536", "host:-1",
                    "host:+1", "host: 1", "host:1x", ":1", "::1:4444", "[::1]", "[::1]4444",
                    "[127.0.0.1]:1", "[host]:1", "ho st:1", "a:b:1", "/" + "x" * 107):
        result = probe("qmp", address, "query-status")
        assert_fails(result, USAGE, f"QMP address '{address}'", "HOST:PORT, [IPV6]:PORT")


def test_relative_path():
    """a file name without a slash is a path"""
    with monitor(ASK, Reply({})) as peer:
        directory, name = peer.address.removeprefix("unix:").rsplit("/", 1)
        assert_replies(probe("qmp", name, "query-status", cwd=directory), {})


def test_wrong_kind():
    """a guest agent given as a monitor"""
    with Peer(AGENT, []) as peer:
        result = probe("qmp", peer.address, "query-status", timeout_ms=300)
    assert_fails(result, TIMEOUT, "no QMP greeting")


if __name__ == "__main__":
    cases.run(globals())
