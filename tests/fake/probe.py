# SPDX-License-Identifier: GPL-2.0-or-later
# Runs rpc-probe and checks what it says, how it exits, how long it took and how much memory it
# used. PROBE_WRAPPER in the environment (a command, for instance valgrind) is put in front of it.
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
WRAPPER = shlex.split(os.environ.get("PROBE_WRAPPER", ""))
LIMIT = 60       # seconds after which a probe hangs
MEMORY = 64      # MiB; rpc-probe needs 10, a message of 4 MiB and its values some more
SLACK = 10       # seconds a loaded machine may add to a time limit

# Codes of collector/error.h.
USAGE, UNREACHABLE, NOT_FOUND, TIMEOUT, PEER, PROTOCOL = 2, 3, 100, 101, 102, 103
STATUS = {USAGE: 2, UNREACHABLE: 3, NOT_FOUND: 3, TIMEOUT: 3, PEER: 3, PROTOCOL: 4}


def instrumented():
    """Whether memory and time of the probe say nothing."""
    with open(os.path.join(BUILD, "meson-info", "intro-buildoptions.json"), encoding="utf8") as f:
        options = {option["name"]: option["value"] for option in json.load(f)}
    return bool(WRAPPER) or options["b_sanitize"] != "none"


class Result:
    def __init__(self, status, out, err, seconds, mebibytes):
        self.status, self.err, self.seconds, self.mebibytes = status, err, seconds, mebibytes
        lines = [line.split(" ", 1) for line in out.splitlines()]
        self.replies = [json.loads(rest) for kind, rest in lines if kind == "reply"]
        self.raw_replies = [rest for kind, rest in lines if kind == "reply"]
        errors = [rest.split(" ", 1) for kind, rest in lines if kind == "error"]
        self.errors = [(int(code), message) for code, message in errors]
        self.route = next((rest for kind, rest in lines if kind == "route"), None)
        self.order = [kind for kind, _ in lines if kind in ("reply", "error")]


def probe(kind, address, *calls, timeout_ms=10000, pause_ms=None, cwd=None, after_first=None):
    """One run. after_first() is called when the first reply or error has been printed."""
    command = WRAPPER + [os.path.abspath(os.path.join(BUILD, "tests/fake/rpc-probe")),
                         f"--timeout-ms={timeout_ms}"]
    if pause_ms is not None:
        command.append(f"--pause-ms={pause_ms}")
    command += [kind, address]
    command += [call if isinstance(call, str) else json.dumps(call) for call in calls]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        with subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd) as process:
            if after_first:
                while os.fstat(out.fileno()).st_size == 0 and time.monotonic() < start + LIMIT:
                    time.sleep(0.005)
                after_first()
            usage = _wait(process, start + LIMIT)
        seconds = time.monotonic() - start
        texts = []
        for file in out, err:
            file.seek(0)
            texts.append(file.read().decode("utf8"))
    result = Result(process.returncode, *texts, seconds, usage.ru_maxrss // 1024)
    assert not result.err, f"standard error: {result.err}"
    if not instrumented():
        assert result.mebibytes < MEMORY, f"{result.mebibytes} MiB"
    return result


def _wait(process, deadline):
    """wait4(), because only that tells the memory of one child."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise AssertionError("rpc-probe hangs")
        time.sleep(0.005)


def assert_fails(result, code, *words, within=None):
    """One error of this code, whose message has these words; `within` seconds."""
    assert len(result.errors) == 1, result.errors
    got, message = result.errors[0]
    assert got == code, (got, message)
    assert result.status == STATUS[code], result.status
    for word in words:
        assert word in message, f"'{word}' is not in: {message}"
    assert message.isprintable(), repr(message)
    if within is not None and not instrumented():
        low, high = within
        assert low <= result.seconds <= high + SLACK, f"{result.seconds:.2f} s"


def assert_replies(result, *replies):
    assert result.status == 0 and not result.errors, (result.status, result.errors)
    assert result.replies == list(replies), result.replies
