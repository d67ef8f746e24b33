# SPDX-License-Identifier: GPL-2.0-or-later
# Scripted QMP monitors and guest agents on real sockets. A script is a list of steps; a request
# that is not the next one expected, or anything after the last, fails the test that uses the peer.
# Requests and replies are checked against qapi/*.json, unless a reply is meant to be wrong.
import json
import os
import select
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from qapi_schema import Schema  # pylint: disable=wrong-import-position

QMP, AGENT = "qmp", "agent"
TIMEOUT = 30
OURS = ("query-trace-clock-sync", "guest-get-trace-clocks", "guest-trace-clock-probe")
SCHEMA = Schema.load(*(os.path.join(HERE, "../../qapi", name)
                       for name in ("trace-clock-sync.json", "guest-trace-clocks.json")))


def is_listening(path):
    """Whether a socket there takes connections: it has its path before it listens."""
    listens = 0x10000  # __SO_ACCEPTCON
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as sockets:
        words = (line.rstrip("\n").split(maxsplit=7) for line in sockets)
        return any(len(w) == 8 and w[7] == path and int(w[3], 16) & listens
                   for w in words if w[0] != "Num")


class Failure(Exception):
    """The client did something the script does not expect."""


class Expect:
    """The next request must be this command; its arguments too where they are given here."""

    def __init__(self, command, arguments=None):
        self.command, self.arguments = command, arguments

    def run(self, line):
        request = json.loads(line.read())
        if not set(request) <= {"execute", "arguments", "id"}:
            raise Failure(f"members of the request: {request}")
        if request["execute"] != self.command:
            raise Failure(f"expected {self.command}, got {request}")
        arguments = request.get("arguments", {})
        if self.arguments is not None and arguments != self.arguments:
            raise Failure(f"expected {self.arguments}, got {request}")
        if (line.kind == QMP) != ("id" in request):
            raise Failure(f"QMP requests have an id, agents' have none: {request}")
        errors = SCHEMA.request_errors(self.command, arguments) if self.command in OURS else []
        if errors:
            raise Failure(f"the request breaks its schema: {errors}")
        line.command, line.id = self.command, request.get("id")


class Reply:
    """A right answer to the request; checked=False where it is meant to break the schema."""

    def __init__(self, value, checked=True):
        self.value, self.checked = value, checked

    def run(self, line):
        if self.checked and line.command in OURS:
            SCHEMA.check_reply(line.command, self.value)
        line.write(line.answer({"return": self.value}))


class Error:
    """The request fails."""

    def __init__(self, desc, error_class="GenericError"):
        self.error = {"class": error_class, "desc": desc}

    def run(self, line):
        line.write(line.answer({"error": self.error}))


class Event:
    def __init__(self, name):
        self.name = name

    def run(self, line):
        stamp = {"seconds": 1, "microseconds": 2}
        line.write_json({"event": self.name, "data": {}, "timestamp": stamp})


class Raw:
    """These bytes; @ID@ in them becomes the request's id."""

    def __init__(self, data):
        self.data = data if isinstance(data, bytes) else data.encode()

    def run(self, line):
        line.write(self.data.replace(b"@ID@", str(line.id).encode()))


class Drip:
    """These bytes one by one, for ever or until the client leaves."""

    def __init__(self, data, interval):
        self.data, self.interval = data, interval

    def run(self, line):
        while True:
            for i in range(len(self.data)):
                line.write(self.data[i:i + 1])
                time.sleep(self.interval)


class Flood:
    """Many bytes as fast as they go, or until the client leaves."""

    def __init__(self, chunk, total):
        self.chunk, self.count = chunk, total // len(chunk)

    def run(self, line):
        for _ in range(self.count):
            line.write(self.chunk)


class ExpectSync:
    """The next request is guest-sync-delimited; it gets no answer."""

    def run(self, line):
        data = line.read()
        if data[:1] != b"\xff":
            raise Failure(f"a synchronisation starts with 0xFF: {data}")
        request = json.loads(data[1:])
        number = request["arguments"]["id"]
        if request["execute"] != "guest-sync-delimited" or not 0 <= number < 1 << 63:
            raise Failure(f"expected a synchronisation, got {request}")
        return number


class Sync(ExpectSync):
    """The same, answered; `stale` is sent before the answer's 0xFF."""

    def __init__(self, stale=b"", offset=0):
        self.stale, self.offset = stale, offset

    def run(self, line):
        number = super().run(line)
        line.write(self.stale + b"\xff")
        line.write_json({"return": number + self.offset})


class Quiet:
    """The client sends nothing for this long."""

    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, line):
        line.expect_quiet(self.seconds)


class Sleep:
    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, line):
        time.sleep(self.seconds)


class Close:
    """Closes; with reset=True so that a TCP client sees a reset."""

    def __init__(self, reset=False):
        self.reset = reset

    def run(self, line):
        line.close(self.reset)


class Gone(Exception):
    """The client closed the connection: the script ends early."""


GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""},
                    "capabilities": ["oob"]}}


class Greet:
    def run(self, line):
        line.write_json(GREETING)


class Line:
    """The peer's end of one connection."""

    def __init__(self, connection, kind):
        self._connection, self.kind = connection, kind
        self._file = connection.makefile("rb")
        self.id = self.command = None
        self.closed = False

    def read(self):
        try:
            data = self._file.readline()
        except ConnectionError:
            data = b""
        if not data.endswith(b"\n"):
            raise Failure(f"expected a request, got the end after {data}")
        return data

    def answer(self, reply):
        if self.id is not None:
            reply = {**reply, "id": self.id}
        return json.dumps(reply).encode() + b"\r\n"

    def write_json(self, value):
        self.write(json.dumps(value).encode() + b"\r\n")

    def write(self, data):
        try:
            self._connection.sendall(data)
        except ConnectionError as e:
            raise Gone from e

    def expect_quiet(self, seconds):
        if select.select([self._connection], [], [], seconds)[0]:
            raise Failure(f"too early: {self._connection.recv(300)}")

    def rest(self):
        """What the client still sends before it closes."""
        try:
            return self._file.read()
        except ConnectionError:
            return b""

    def close(self, reset=False):
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._file.close()
        self._connection.close()
        self.closed = True


class Peer:
    """Listens until one client came and the script ran. `with Peer(...) as peer: peer.address`"""

    def __init__(self, kind, script, family="unix", prefix=None):
        self.kind, self._script = kind, script
        self._failure = None
        if family == "unix":
            self._directory = tempfile.TemporaryDirectory(prefix="peer-")
            path = os.path.join(self._directory.name, "socket")
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self.address = (prefix or "unix:") + path
        else:
            self._directory = None
            inet = socket.AF_INET6 if family == "tcp6" else socket.AF_INET
            host = "::1" if family == "tcp6" else "127.0.0.1"
            self._listener = socket.socket(inet)
            self._listener.bind((host, 0))
            shown = f"[{host}]" if family == "tcp6" else host
            self.address = f"{prefix or ''}{shown}:{self._listener.getsockname()[1]}"
        self._listener.listen(1)
        self._listener.settimeout(TIMEOUT)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, error_type, error, trace):
        self._thread.join(TIMEOUT)
        self._listener.close()
        if self._directory:
            self._directory.cleanup()
        if self._thread.is_alive():
            raise Failure("the client neither asked nor left") from error
        if self._failure:
            raise self._failure from error

    def stop_listening(self):
        """The socket's file stays, with nobody behind it."""
        self._listener.close()

    def _run(self):
        try:
            connection, _ = self._listener.accept()
            connection.settimeout(TIMEOUT)
            self._play(Line(connection, self.kind))
        except Exception as e:  # pylint: disable=broad-except  # it belongs to the other thread
            self._failure = e

    def _play(self, line):
        try:
            for step in self._script:
                step.run(line)
            rest = b"" if line.closed else line.rest()
            if rest:
                raise Failure(f"more than the script expects: {rest[:300]}")
        except Gone:
            pass
        finally:
            line.close()


def monitor(*script, **options):
    """A QMP monitor that has greeted and negotiated before `script`."""
    return Peer(QMP, [Greet(), Expect("qmp_capabilities"), Reply({}), *script], **options)


def agent(*script, prefix="qga:", **options):
    """A guest agent that has been synchronised before `script`."""
    return Peer(AGENT, [Sync(), *script], prefix=prefix, **options)
