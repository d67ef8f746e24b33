# SPDX-License-Identifier: GPL-2.0-or-later
# How the testbed talks to its machines: a shell (the far end is control-loop.sh) and QMP, both over
# a Unix socket of this machine, whether the far end is in QEMU, in L1 or in L2.
# Every wait has a time limit, and every failure says what the machine's console said last.
import itertools
import json
import os
import select
import socket
import time
from collections import namedtuple

Result = namedtuple("Result", "status out err")


class Failure(Exception):
    """Something in the testbed did not do what it should."""


class Stream:
    """Bytes from one connection, with deadlines.

    The testbed listens and QEMU connects, so there is no socket file to wait for.
    why() is asked for an explanation when nothing comes; it also notices a dead machine.
    lockups() says how often the machine's kernel has told of a CPU that is stuck; see _wait.
    """

    def __init__(self, path, what, why=lambda: "", lockups=lambda: 0):
        self.what, self.why, self.lockups = what, why, lockups
        self._sock = None
        self._data = b""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self.path = path

    def fail(self, problem):
        raise Failure(f"{self.what}: {problem}\n{self.why()}".rstrip())

    def _wait(self, fd, deadline):
        """A machine whose kernel tells of a stuck CPU twice while we wait, 26 s apart, will not answer any more."""
        before = None
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                self.fail("no answer in time")
            if select.select([fd], [], [], min(left, 5))[0]:
                return
            now = self.lockups()
            before = now if before is None else before
            if now >= before + 2:
                self.fail("its host is locked up")

    def _fill(self, deadline):
        if self._sock is None:
            self._wait(self._listener, deadline)
            self._sock, _ = self._listener.accept()
        self._wait(self._sock, deadline)
        try:
            data = self._sock.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.fail("the connection was closed")
        self._data += data

    def line(self, deadline):
        while b"\n" not in self._data:
            self._fill(deadline)
        line, _, self._data = self._data.partition(b"\n")
        return line

    def exactly(self, count, deadline):
        while len(self._data) < count:
            self._fill(deadline)
        data, self._data = self._data[:count], self._data[count:]
        return data

    def send(self, data, deadline):
        if self._sock is None:
            self._wait(self._listener, deadline)
            self._sock, _ = self._listener.accept()
        self._sock.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            self._sock.sendall(data)
        except OSError as e:
            self.fail(f"cannot send: {e}")

    def close(self):
        for s in (self._sock, self._listener):
            if s:
                s.close()
        if os.path.exists(self.path):
            os.unlink(self.path)


class Shell:
    """Runs shell scripts on the machine at the far end, one at a time."""

    def __init__(self, stream):
        self._stream = stream
        self._ids = itertools.count(1)

    def wait_ready(self, timeout=60):
        """Returns when the machine's control loop has started (again)."""
        deadline = time.monotonic() + timeout
        while self._stream.line(deadline).strip() != b"ready":
            pass

    def run(self, script, timeout=30, stdin=b""):
        """Status and output of the script; status 137 if it was killed at its time limit."""
        deadline = time.monotonic() + timeout + 10
        number = str(next(self._ids))
        body = script.encode()
        head = f"{number} {timeout} {len(body)} {len(stdin)}\n".encode()
        self._stream.send(head + body + stdin, deadline)
        words = self._stream.line(deadline).decode(errors="replace").split()
        if len(words) != 4 or words[0] != number:
            self._stream.fail(f"the control loop answered {words} to request {number}")
        status, out_length, err_length = map(int, words[1:])
        out = self._stream.exactly(out_length, deadline)
        err = self._stream.exactly(err_length, deadline)
        return Result(status, out.decode(errors="replace"), err.decode(errors="replace"))

    def check(self, script, timeout=30, stdin=b""):
        """Standard output of a script that must succeed."""
        result = self.run(script, timeout, stdin)
        if result.status != 0:
            raise Failure(f"{self._stream.what}: status {result.status} from: {script}\n"
                          f"{result.out}{result.err}".rstrip())
        return result.out

    def put(self, path, data, mode="644"):
        self.check(f"cat >'{path}' && chmod {mode} '{path}'", 60, data)

    def get(self, path):
        return self.check(f"cat '{path}'", 60)


class QmpError(Failure):
    def __init__(self, command, error):
        super().__init__(f"{command}: {error.get('class')}: {error.get('desc')}")
        self.error_class, self.desc = error.get("class"), error.get("desc", "")


class Qmp:
    """A QMP monitor, and a guest agent's JSON lines with greeting=False."""

    def __init__(self, stream, greeting=True):
        self._stream = stream
        self._ids = itertools.count(1)
        self.events = []
        self._greeted = not greeting

    def _message(self, deadline):
        line = self._stream.line(deadline)
        try:
            return json.loads(line)
        except ValueError:
            self._stream.fail(f"not JSON: {line[:200]!r}")

    def wait_ready(self, timeout=30):
        if not self._greeted:
            deadline = time.monotonic() + timeout
            while "QMP" not in self._message(deadline):
                pass
            self._greeted = True
            self.command("qmp_capabilities", timeout=timeout)

    def command(self, name, arguments=None, timeout=30):
        self.wait_ready(timeout)
        deadline = time.monotonic() + timeout
        number = next(self._ids)
        request = {"execute": name, "id": number}
        if arguments is not None:
            request["arguments"] = arguments
        self._stream.send(json.dumps(request).encode() + b"\n", deadline)
        while True:
            message = self._message(deadline)
            if "event" in message:
                self.events.append(message)
            elif "error" in message and message.get("id", number) == number:
                raise QmpError(name, message["error"])
            elif message.get("id") == number:
                return message["return"]

    def wait_event(self, name, timeout=30):
        """The first event of this name that nobody has waited for yet."""
        deadline = time.monotonic() + timeout
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            message = self._message(deadline)
            if "event" in message:
                self.events.append(message)
