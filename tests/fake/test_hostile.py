#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each verb that talks to a VM against monitors and agents that do wrong: whatever they do, it ends
within its time limit, in bounded memory, with a status and one line that says who did what, and
leaves no half-made file. What single lines may look like is in test_transports.py and test_agent.py.

Argument: the build directory.
"""
import json
import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import cases
import peers
from probe import BUILD, LIMIT, MEMORY, SLACK, WRAPPER, instrumented
from probed_world import ProbedWorld, Serve
from test_show_bounds import Tsc
from test_show_world import QUERY, READ, REFUSED, UNREACHABLE, Visited

TIMEOUT = 1  # seconds: what --timeout says
VERBS = ("show", "record", "compare")
TSC = Tsc()


class Stall:
    """Says nothing more until the client leaves."""

    def run(self, line):
        line.rest()
        raise peers.Gone


class Early:
    """The answer, and another one that nobody has asked for."""

    def __init__(self, value):
        self.value = value

    def run(self, line):
        answer = line.answer({"return": self.value})
        line.write(answer + answer)


class Closing:
    """Half an answer."""

    def run(self, line):
        peers.Raw('{"return":{"acc').run(line)
        peers.Close().run(line)


class Hostile(Serve):
    """An honest peer until `command` was asked `after` times: then `step`, and no more."""

    def __init__(self, answers, command, step, after, **options):
        super().__init__(answers, **options)
        self._command, self._step, self._left = command, step, after

    def _answer(self, line, arguments):
        if line.command == self._command:
            self._left -= 1
            if self._left < 0:
                self._step.run(line)
                if not isinstance(self._step, (Early, peers.Raw)):
                    raise peers.Gone
                return
        super()._answer(line, arguments)


class Ended:
    def __init__(self, status, seconds, mebibytes, out, err):
        self.status, self.seconds, self.mebibytes = status, seconds, mebibytes
        self.out, self.err = out, err


def run(*words):
    """One run; wait4(), because only that tells the memory of one child."""
    command = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), *words]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        # pylint: disable=consider-using-with
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   env={**os.environ, "LC_ALL": "C.UTF-8"})
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() > start + LIMIT:
                process.kill()
                process.wait()
                raise AssertionError(f"{words} hangs")
            time.sleep(0.005)
        seconds = time.monotonic() - start
        texts = []
        for file in out, err:
            file.seek(0)
            texts.append(file.read().decode("utf8"))
    return Ended(process.returncode, seconds, usage.ru_maxrss // 1024, *texts)


def ask(verb, side, step, after=0):
    """`verb` about an honest world, but that the monitor ("qmp") or the agent does `step`."""
    world = ProbedWorld(1, TSC)
    queries = {"query-name": lambda _: {"name": "toy"}, QUERY: lambda _: world.query()}
    reads = {READ: world.answer, peers.OURS[2]: world.probe}
    monitor = Hostile(queries, QUERY, step if side == "qmp" else None,
                      after if side == "qmp" else 1 << 30, checked=False)
    agent = Hostile(reads, READ, step if side == "agent" else None,
                    after if side == "agent" else 1 << 30, checked=False, synchronise=True)
    with tempfile.TemporaryDirectory() as directory, peers.monitor(monitor) as qmp, \
            Visited(qmp), peers.Peer(peers.AGENT, [agent], prefix="unix:") as guest, \
            Visited(guest):
        words = [verb, "--qmp", qmp.address, "--agent", guest.address, "--timeout", str(TIMEOUT)]
        if verb == "record":
            words += ["-o", os.path.join(directory, "run.tcs"), "--interval", "0.01"]
        ended = run(*words)
        ended.files = {name: open(os.path.join(directory, name), encoding="utf8").read()
                       for name in os.listdir(directory)}
    return ended


def in_bounds(ended, words):
    for line in (ended.out + ended.err).split("\n"):
        assert line.isprintable(), f"not fit for a terminal: {line!r}"
    if not instrumented():
        # Each side has its own limit; nothing is asked twice after an error.
        assert ended.seconds < 2 * TIMEOUT + SLACK, f"{words}: {ended.seconds:.1f} s"
        assert ended.mebibytes < MEMORY, f"{words}: {ended.mebibytes} MiB"


def number(member, text):
    """An honest answer but for one number, as text that json.dumps() would not write."""
    class Numbered:
        def run(self, line):
            world = ProbedWorld(1, TSC)
            reply = world.query() if line.command == QUERY else world.answer({})
            line.write(json.dumps({"return": spoil(reply)} |
                                  ({"id": line.id} if line.id else {}))
                       .replace('"@"', text).encode() + b"\n")

    def spoil(value):
        if isinstance(value, dict):
            return {k: "@" if k == member else spoil(v) for k, v in value.items()}
        return [spoil(v) for v in value] if isinstance(value, list) else value
    return Numbered()


WRONG = [
    # what, step, statuses, words of the message
    ("stall", Stall, UNREACHABLE, "time limit"),
    ("drip", lambda: peers.Drip(b'{"return":', 1), UNREACHABLE, "time limit"),
    ("drip of lines", lambda: peers.Drip(b" \n", 0.01), UNREACHABLE, "time limit"),
    ("100 MB", lambda: peers.Flood(b"x" * 65536, 100 << 20), REFUSED, "more than 4194304 bytes"),
    ("deep nesting", lambda: peers.Raw(b'{"return":' + b"[" * 100000 + b"\n"), REFUSED,
     "nesting too deep"),
    ("many values", lambda: peers.Raw(b'{"return":[' + b"[]," * 1000000 + b"0]}\n"), REFUSED,
     "too many values"),
    ("no JSON", lambda: peers.Raw(b"\xff\xfe\x1b[2J\n"), REFUSED, "not acceptable JSON"),
    ("wrong id", lambda: peers.Raw('{"return":{},"id":"tcs-0"}\n'), REFUSED, " id"),
    ("no answer to it", lambda: peers.Raw('{"hello":1}\n'), REFUSED, "'return' or 'error'"),
    ("closed", peers.Close, UNREACHABLE, "closed the connection"),
    ("closed amid", Closing, UNREACHABLE, "closed the connection"),
]
NUMBERS = ("18446744073709551616", "-9223372036854775809", "1e400", "-1", "1.5", "NaN", '"5"',
           "null", "[]")


def one_wrong(job):
    verb, side, (what, make, status, word), after = job
    ended = ask(verb, side, make(), after)
    words = f"{verb}, {side}, {what}, after {after}: {ended.status}, {ended.err!r}"
    in_bounds(ended, words)
    return words, ended, status, word


def for_each(verbs, sides, wrongs, after=0):
    """At most two at once: each has peers of its own, which are threads here."""
    jobs = [(verb, side, wrong, after) for verb in verbs for side in sides for wrong in wrongs]
    with ThreadPoolExecutor(2) as pool:
        yield from zip(jobs, pool.map(one_wrong, jobs))


def check_failed(result, verb, side):
    words, ended, status, word = result
    assert ended.status == status, words
    assert word in ended.err and len(ended.err.splitlines()) == 1, words
    assert ended.err.startswith(f"trace-clock-sync {verb}: "), words
    assert ("QMP monitor" if side == "qmp" else "guest agent") in ended.err, words
    assert ended.out == "" and not ended.files, (words, ended.out, list(ended.files))


def test_monitor():
    """a monitor that does wrong at its first answer, for show, record and compare"""
    for (verb, side, *_), result in for_each(VERBS, ["qmp"], WRONG):
        check_failed(result, verb, side)


def test_agent():
    """an agent that does wrong at its first answer, for show, record and compare"""
    for (verb, side, *_), result in for_each(VERBS, ["agent"], WRONG):
        check_failed(result, verb, side)


def test_numbers():
    """numbers at and beyond their limits, in every member that has one"""
    wrongs = [(f"{member} {text}", lambda m=member, t=text: number(m, t), None, None)
              for member in ("counter-before", "value", "offset", "multiplier", "cpu-index")
              for text in NUMBERS]
    for (*_, wrong, _), (words, ended, _, _) in for_each(["show"], ["qmp"], wrongs):
        if wrong[0] not in ("offset -1", "cpu-index -1"):  # those may be
            assert ended.status == REFUSED and "QMP monitor" in ended.err, words
    wrongs = [(f"{member} {text}", lambda m=member, t=text: number(m, t), None, None)
              for member in ("counter-before", "value", "cpu") for text in NUMBERS]
    for (*_, wrong, _), (words, ended, _, _) in for_each(["show"], ["agent"], wrongs):
        assert ended.status == REFUSED or wrong[0] == "cpu -1", words


def test_unasked():
    """an answer twice: the second is refused when the next question is asked"""
    world = ProbedWorld(1, TSC)
    for side, value in ("qmp", world.query()), ("agent", world.answer({})):
        early = [("twice", lambda v=value: Early(v), REFUSED, None)]
        # `show` alone asks both twice and does not go on after that.
        for _, (words, ended, status, _) in for_each(["show"], [side], early):
            assert ended.status == status and len(ended.err.splitlines()) == 1, words


def test_later():
    """a recording keeps what it has, whole, when a peer goes wrong later"""
    for side in "qmp", "agent":
        wrongs = [wrong for wrong in WRONG if wrong[0] in ("stall", "100 MB", "closed")]
        jobs = [("record", side, wrong, 6) for wrong in wrongs]
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(record_on, job) for job in jobs]
            for future in futures:
                future.result()


def record_on(job):
    """`record` goes on trying, so it is a command that ends it."""
    _, side, (what, make, _, _), after = job
    world = ProbedWorld(1, TSC)
    queries = {"query-name": lambda _: {"name": "toy"}, QUERY: lambda _: world.query()}
    hostile = Hostile(queries if side == "qmp" else {READ: world.answer},
                      QUERY if side == "qmp" else READ, make(), after, checked=False,
                      synchronise=side == "agent")
    honest = Serve({READ: world.answer} if side == "qmp" else queries, checked=False,
                   synchronise=side == "qmp")
    monitor, agent = (hostile, honest) if side == "qmp" else (honest, hostile)
    with tempfile.TemporaryDirectory() as directory, peers.monitor(monitor) as qmp, \
            peers.Peer(peers.AGENT, [agent], prefix="unix:") as guest:
        log = os.path.join(directory, "run.tcs")
        ended = run("record", "--qmp", qmp.address, "--agent", guest.address, "--timeout",
                    str(TIMEOUT), "--interval", "0.01", "-o", log, "--", "sleep", "3")
        words = f"{side}, {what}: {ended.status}, {ended.err!r}"
        if not instrumented():
            assert ended.seconds < 3 + 2 * TIMEOUT + SLACK, words
            assert ended.mebibytes < MEMORY, (words, ended.mebibytes)
        with open(log, encoding="utf8") as file:
            lines = file.read().split("\n")
        assert lines.pop() == "" and len(lines) >= 3, (words, len(lines))
        for line in lines:
            json.loads(line)


if __name__ == "__main__":
    cases.run(globals())
