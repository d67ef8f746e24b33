#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of howto-lttng.md, run by the real LTTng and babeltrace2: two session daemons of this
machine, one of which has the clocks of another (fake-clocks.c), stand for host and guest. A program
on one side asks one on the other, so it is known between which events of the host's each event of the
guest's lies. Argument: the build directory."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cases
import ctf_trace
from probe import BUILD, WRAPPER

sys.path.append(str(Path(__file__).resolve().parents[1] / "testbed"))
import stock  # noqa: E402

HOWTO = (Path(__file__).resolve().parents[2] / "docs/howto-lttng.md").read_text(encoding="utf-8")
HOST, GUEST, TOGETHER = range(3)
# A last block needs no trace: test_export_docs.py.
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", HOWTO, re.M | re.S)
# What loads them is on any machine with QEMU and libvirt: libxml2, libkmod, libnuma.
PACKAGES = ("lttng-tools", "liblttng-ctl0", "liblttng-ust1", "liblttng-ust-common1", "liblttng-ust-ctl5",
            "liburcu8", "libpopt0")
# What the guest's clocks show more than the host's.
AHEAD_NS, REALTIME_AHEAD_NS = 7 * 10**9, 3 * 10**9
FAKE = {"LD_PRELOAD": str(Path(BUILD, "tests/fake/fake-clocks.so").absolute()),
        "FAKE_MONO_NS": str(AHEAD_NS), "FAKE_REALTIME_NS": str(REALTIME_AHEAD_NS)}
# The daemon of root has one address, and LTTng tells machines apart by their boot id.
MACHINE = """
mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && mkdir /run/lttng /run/home || exit 99
echo $BOOT_ID >/run/boot-id && mount --bind /run/boot-id /proc/sys/kernel/random/boot_id || exit 99
[ -z "$PRELOAD" ] || export LD_PRELOAD=$PRELOAD
"$PYTHON" -c "$TALK" &
set -e
"""
# Asks and hears on the host, or answers in the guest; until it is killed.
TALK = """
import ctypes, os, socket, time
trace = ctypes.CDLL("liblttng-ust.so.1").lttng_ust__tracef
line = socket.socket(fileno=int(os.environ["LINE"]))
if os.environ["SIDE"] == "guest":
    while number := line.recv(9):
        trace(b"answer %s", number)
        line.send(number)
for number in range(10**9):
    time.sleep(0.005)
    trace(b"ask %d", number)
    line.send(b"%d" % number)
    line.recv(9)
    trace(b"hear %d", number)
"""
SHOWN = re.compile(r'^\[(\d+)\.(\d{9})\].* lttng_ust_tracef:event: .*msg = "(\w+) (\d+)"', re.M)
TOLD = re.compile(r"within (\d+) ns.* for stamps from (\d+) to (\d+)")
# Far more than the bound, which the machine's load makes, and far less than what the clocks are apart.
NOTICED_NS = 10**7


def lttng():
    """Environment variables by which an unpacked LTTng finds its parts."""
    try:
        tree = stock.unpacked("lttng", PACKAGES)
    except stock.Unavailable as e:
        cases.skip(str(e))
    libraries = tree / stock.MULTIARCH
    return {"PATH": os.pathsep.join([os.path.abspath(os.path.join(BUILD, "collector")),
                                     str(tree / "usr/bin"), os.environ["PATH"]]),
            "LD_LIBRARY_PATH": str(libraries), "LTTNG_SESSIOND_PATH": str(tree / "usr/bin/lttng-sessiond"),
            "LTTNG_CONSUMERD64_BIN": str(libraries / "lttng/libexec/lttng-consumerd"),
            "LTTNG_CONSUMERD64_LIBDIR": str(libraries), "LTTNG_HOME": "/run/home",
            "LTTNG_SESSION_CONFIG_XSD_PATH": str(tree / "usr/share/xml/lttng")}


class Side:
    """A block of the how-to being run, beside a program that is traced, in namespaces of their own."""

    def __init__(self, name, block, folder, line, environment, fake=None):
        self.name, self._said = name, folder / f"{name}.said"
        boot_id = f"{name.encode().hex().ljust(8, '0')[:8]}-1111-2222-3333-444444444444"
        extra = {"SIDE": name, "BOOT_ID": boot_id, "LINE": str(line.fileno()), "PYTHON": sys.executable,
                 "TALK": TALK, **(fake or {})}
        # For what is traced and what traces it, not for the shell.
        extra["PRELOAD"] = extra.pop("LD_PRELOAD", "")
        with open(self._said, "w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child",
                 "sh", "-c", MACHINE + block], cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, pass_fds=[line.fileno()],
                env={**os.environ, **environment, **extra})

    def said(self):
        return self._said.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() in (None, 0), (self.name, self._process.returncode, self.said())
            assert time.monotonic() < deadline, (self.name, self.said())
            time.sleep(0.05)

    def end(self):
        self.wait_for(lambda: self._process.poll() == 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def need_namespaces():
    done = subprocess.run(["unshare", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-c",
                           MACHINE.partition("[ -z")[0]], capture_output=True, text=True, timeout=60,
                          check=False, env={**os.environ, "BOOT_ID": "1"})
    if done.returncode:
        cases.skip(f"no namespaces to be had: {done.stderr.strip()[:80]}")


def record(folder, environment):
    """The two recordings, beside each other as the how-to says."""
    address = f"unix:{folder}/agent"
    agent = subprocess.Popen([*WRAPPER, Path(BUILD, "guest-agent/trace-clock-agent"), "--listen", address],
                             stderr=subprocess.PIPE, text=True, env={**os.environ, **FAKE})
    with agent:
        try:
            said = agent.stderr.readline()
            assert "listening on" in said, said
            vm = "--qmp /run/vm/qmp.sock --agent vsock:3"
            assert vm in BLOCKS[HOST], BLOCKS[HOST]
            block = BLOCKS[HOST].replace(vm, f"--agent {address}")
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            (folder / "vm").mkdir()
            with ours, theirs, Side("host", block, folder, ours, environment) as host:
                host.wait_for(lambda: "Tracing started" in host.said())
                log = folder / "run.tcs"
                host.wait_for(lambda: log.exists() and log.read_text().count("\n") > 1)
                with Side("guest", BLOCKS[GUEST], folder / "vm", theirs, environment, FAKE) as guest:
                    guest.end()
                    host.end()
        finally:
            agent.kill()


def offset_of(trace):
    return int(re.search(rb"\soffset = (\d+);", (trace / "ust/uid/0/64-bit/metadata").read_bytes())[1])


def run(block, folder, environment):
    """(standard output, how far it may be off, the first stamp, the last one)"""
    done = subprocess.run(["sh", "-e", "-c", block], cwd=folder, capture_output=True, text=True, timeout=120,
                          check=False, env={**os.environ, **environment})
    told = TOLD.search(done.stderr)
    assert done.returncode == 0 and told, (block, done.stderr)
    return done.stdout, *map(int, told.groups())


def outside(rounds, worst, error=0):
    """How many answers, were they shown so much later, are not within their bound of a moment
    between question and hearing."""
    return sum(not ask - worst <= answer + error <= hear + worst for ask, answer, hear in rounds)


def test_howto():
    """host and guest recorded by LTTng as howto-lttng.md says are on one timeline"""
    if not ctf_trace.BABELTRACE:
        cases.skip("babeltrace2 is not installed")
    environment = lttng()
    need_namespaces()
    assert len(BLOCKS) == 4, BLOCKS
    with tempfile.TemporaryDirectory(prefix="tcs-lttng-") as name:
        folder = Path(name)
        record(folder, environment)
        (folder / "vm/guest").rename(folder / "guest")    # the copying
        # The daemons' clocks are what they should be.
        apart = offset_of(folder / "guest") - offset_of(folder / "host")
        assert abs(apart - (REALTIME_AHEAD_NS - AHEAD_NS)) < 10**8, apart

        assert BLOCKS[TOGETHER].count("| sh\n") == 1, BLOCKS[TOGETHER]
        block = BLOCKS[TOGETHER].replace("| sh\n", "| sed 's/$/ --clock-seconds/' | sh\n")
        shown, worst, first, last = run(block, folder, environment)
        at = {(what, int(number)): int(s) * 10**9 + int(ns) for s, ns, what, number in SHOWN.findall(shown)}
        rounds = [(at["ask", n], answer, at["hear", n]) for (what, n), answer in at.items()
                  if what == "answer" and {("ask", n), ("hear", n)} <= at.keys()]
        # Those of which export tells something.
        base = offset_of(folder / "host") - AHEAD_NS
        rounds = [r for r in rounds if first <= r[1] - base <= last]
        assert len(rounds) > 100, (len(rounds), len(at), shown[:500])
        print(f"# {len(rounds)} answers, bound {worst} ns, least round trip "
              f"{min(hear - ask for ask, _, hear in rounds)} ns")
        assert not outside(rounds, worst), (worst, outside(rounds, worst), len(rounds))
        # A wrong shift would have been noticed, either way.
        assert outside(rounds, worst, NOTICED_NS) and outside(rounds, worst, -NOTICED_NS), worst


if __name__ == "__main__":
    cases.run(globals())
