# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the guest agent share: TAP output, a running agent, a
# client, and the check of every reply against the contract. Python only; knows
# none of the agent's code.
import collections
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import leaks  # noqa: F401  pylint: disable=unused-import  # sets what programs with sanitizers are told

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)
import qapi_schema  # noqa: E402  (lives in tests/)

COMMAND = "guest-get-trace-clocks"
PROBE = "guest-trace-clock-probe"
CONTRACT = qapi_schema.Schema.load(
    os.path.join(os.path.dirname(TESTS), "qapi", "guest-trace-clocks.json"))
POSIX_CLOCKS = ["mono", "mono_raw", "boot", "tai", "realtime"]
FTRACE_CLOCKS = ["local", "global", "perf", "uptime", "counter"]
TIMEOUT_S = 8


class Skip(Exception):
    pass


def run(tests, argv):
    """Runs the functions (those named, if any), prints TAP, returns a status."""
    build, names = argv[1], argv[2:]
    tests = [test for test in tests if not names or test.__name__ in names]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        name = test.__doc__.splitlines()[0].rstrip(".")
        try:
            with tempfile.TemporaryDirectory() as directory:
                test(Bench(build, directory))
            print(f"ok {number} - {name}", flush=True)
        except Skip as e:
            print(f"ok {number} - {name} # SKIP {e}", flush=True)
        except Exception:  # pylint: disable=broad-except  # any may come
            failed = 1
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "))
            print(f"not ok {number} - {name}", flush=True)
    return failed


class Bench:
    """Where the programs are, and a directory for one test."""

    def __init__(self, build, directory):
        self.agent = os.path.join(build, "guest-agent", "trace-clock-agent")
        self.extension = os.path.join(build, "guest-agent", "qga-extension.so")
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def once(self, *options, status=0, prefix=(), **popen):
        """Output of --once as JSON; what it said on stderr, if it must fail."""
        done = subprocess.run([*prefix, self.agent, "--once", *options],
                              capture_output=True, text=True, check=False,
                              timeout=TIMEOUT_S, **popen)
        assert done.returncode == status, (done.returncode, done.stderr)
        if status:
            assert done.stdout == "", done.stdout
            assert done.stderr.startswith("trace-clock-agent: "), done.stderr
            return done.stderr
        assert done.stdout.count("\n") == 1 and done.stderr == "", done
        return check_reply(parse(done.stdout))

    def cannot_listen(self, *where, status=3):
        """What --listen says when it must fail."""
        options = [word for one in where for word in ("--listen", one)]
        done = subprocess.run([self.agent, *options], capture_output=True,
                              text=True, check=False, timeout=TIMEOUT_S)
        assert done.returncode == status, (where, done)
        return done.stderr


def parse(text):
    def no_duplicates(pairs):
        counts = collections.Counter(name for name, _ in pairs)
        assert all(n == 1 for n in counts.values()), counts
        return dict(pairs)

    return json.loads(text, object_pairs_hook=no_duplicates)


def check_reply(reply):
    """`reply` as the contract has it, and sane beyond what a schema says."""
    CONTRACT.check_reply(COMMAND, reply)
    cpus = {entry["cpu"] for entry in reply["cpus"]}
    seen = set()
    for reading in reply["readings"]:
        key = reading["clock"], reading["cpu"]
        assert key not in seen, key
        seen.add(key)
        assert reading["cpu"] in cpus, reading
        assert reading["counter-before"] <= reading["counter-after"], reading
        if reading["clock"] == "x86-tsc":
            assert reading["via"] == "counter", reading
            assert reading["resolution-ns"] == 0, reading
            assert reading["value"] == reading["counter-before"], reading
            assert "unit" not in reading, reading
        elif reading["clock"] in FTRACE_CLOCKS:
            assert reading["via"] in ("perf-page", "marker"), reading
            is_count = reading["clock"] == "counter"
            assert (reading.get("unit") == "count") == is_count, reading
            assert (reading["resolution-ns"] == 0) == is_count, reading
        else:
            via = "ptp" if reading["clock"] == "ptp-kvm" else "clock_gettime"
            assert reading["via"] == via, reading
            assert reading["resolution-ns"] >= 1, reading
            assert "unit" not in reading, reading
    for entry in reply["unavailable"]:
        assert entry["reason"], entry
    has_realtime = any(r["clock"] == "realtime" for r in reply["readings"])
    assert ("realtime-error" in reply) == has_realtime, reply
    return reply


def check_probe(reply, cpu=None):
    """`reply` as the contract has it, stamped on `cpu`, one after the other."""
    CONTRACT.check_reply(PROBE, reply)
    assert reply["counter"] == "x86-tsc", reply
    assert reply["counter-receive"] <= reply["counter-transmit"], reply
    assert cpu is None or reply["cpu"] == cpu, (cpu, reply)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        assert reply["boot-id"] == f.read().strip(), reply
    return reply


def forbid_setaffinity():
    """A seccomp filter under which sched_setaffinity() fails with EPERM."""
    if os.uname().machine != "x86_64":
        raise Skip("the filter is written for x86_64")

    def instruction(code, yes, no, k):
        return struct.pack("HBBI", code, yes, no, k)

    code = (instruction(0x20, 0, 0, 0) +           # load the call's number
            instruction(0x15, 0, 1, 203) +         # sched_setaffinity
            instruction(0x06, 0, 0, 0x00050001) +  # fail with EPERM
            instruction(0x06, 0, 0, 0x7fff0000))   # let through
    code = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)

    def apply():
        zero = ctypes.c_ulong(0)
        assert libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) == 0
        assert libc.prctl(22, ctypes.c_ulong(2), program) == 0
        assert code
    return apply


def until(condition, what, timeout=TIMEOUT_S):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout} s: {what}")


class Agent:
    """A running --listen; ends it by SIGTERM and wants status 0."""

    may_end = False  # before that

    def __init__(self, bench, *where, **popen):
        command = [bench.agent]
        for one in where:
            command += ["--listen", one]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE,
                                        text=True, **popen)
        for one in where:
            line = self.process.stderr.readline()
            assert line == f"trace-clock-agent: listening on {one}\n", line

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        ended = self.process.poll() is not None
        self.process.terminate()
        try:
            _, rest = self.process.communicate(timeout=TIMEOUT_S)
        finally:
            self.process.kill()
        status = self.process.returncode
        if kind is None:
            assert status == 0 and rest == "", (status, rest)
            assert not ended or self.may_end, "the agent has ended"

    def kill(self):
        with self.process:
            self.process.kill()


class Client:
    """One end of a stream: a socket, or a file descriptor of a terminal."""

    def __init__(self, stream):
        self.stream = stream
        self.buffer = b""

    @classmethod
    def unix(cls, path):
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(TIMEOUT_S)
        stream.connect(path)
        return cls(stream)

    @classmethod
    def tcp(cls, host, port):
        stream = socket.create_connection((host, port), TIMEOUT_S)
        return cls(stream)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()

    def send(self, data):
        self.stream.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            chunk = self.stream.recv(65536)
            if not chunk:
                raise EOFError
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def reply(self):
        return parse(self.line())

    def ended(self):
        try:
            return self.stream.recv(1) == b""
        except ConnectionResetError:
            return True

    def ask(self, command, arguments=None, **others):
        request = {"execute": command, **others}
        if arguments is not None:
            request["arguments"] = arguments
        self.send(json.dumps(request).encode() + b"\n")
        reply = self.reply()
        if command == COMMAND and "return" in reply:
            check_reply(reply["return"])
        if command == PROBE and "return" in reply:
            check_probe(reply["return"], (arguments or {}).get("cpu"))
        return reply

    def works(self):
        assert self.ask("guest-ping") == {"return": {}}
        return True

    def answers_all(self):
        """Every command once, good and bad."""
        self.works()
        assert self.ask("guest-sync", {"id": 77}) == {"return": 77}
        assert "error" in self.ask("guest-sync", {"id": "77"})
        self.send(b'{"exe\xff{"execute":"guest-sync-delimited",'
                  b'"arguments":{"id":9223372036854775807}}\n')
        assert self.line() == b'\xff{"return":9223372036854775807}'
        reply = self.ask(COMMAND, {"cpus": [0], "samples": 5}, id=[1, {}])
        assert list(reply) == ["return", "id"] and reply["id"] == [1, {}]
        assert [r["clock"] for r in reply["return"]["readings"]
                if r["clock"] not in FTRACE_CLOCKS] == \
            ["x86-tsc"] + POSIX_CLOCKS, reply
        reply = self.ask(PROBE, {"cpu": 0}, id="p")
        assert list(reply) == ["return", "id"] and reply["id"] == "p"
        error = self.ask(COMMAND, {"clock": []})["error"]
        assert error["class"] == "GenericError" and "clock" in error["desc"]
        error = self.ask("guest-shutdown", id="x")
        assert error["error"]["class"] == "CommandNotFound", error
        assert error["id"] == "x"
