# SPDX-License-Identifier: GPL-2.0-or-later
# Where the demo's traces come from: this machine and a guest of its own KVM, or the testbed's host (real KVM on
# an emulated machine) and its guest. What becomes of the traces is not known here.
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import measure
import stock
import trace_cmds
import traces
from channel import Failure
from machines import Host, LocalGuest, Process

CID, CLOCK = 3, "mono"
QUIET_SECONDS = 9
TRACEFS = Path("/sys/kernel/tracing")
# The host's trace, in which the guest's has to fit; and how long its beginning and end may take.
TRACE_SECONDS, PATIENCE_SECONDS = 8, 60
FILES = ("run.tcs", "host.dat", "guest.dat")
BROKEN = (Failure, stock.Unavailable, OSError, ValueError, subprocess.SubprocessError)


class Progress:
    """Says every few seconds that something is still going on."""

    def __init__(self, what):
        self.what, self._done = what, threading.Event()

    def __enter__(self):
        self._start = time.monotonic()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()
        return self

    def _talk(self):
        while not self._done.wait(QUIET_SECONDS):
            print(f"   … {self.what}: {time.monotonic() - self._start:.0f} s so far", flush=True)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def note(text):
    print("   " + text.replace("\n", "\n   "), flush=True)


class Machines:
    """A context of which close() ends what start() has begun, also where that could not begin all."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()


class Testbed(Machines):
    """An emulated host with a guest in it, and traces of both."""

    title = "a host with real KVM, emulated on this machine, and a guest in it"
    is_emulated = True

    def __init__(self, workshop):
        self.workshop, self.host, self.guest = workshop, None, None

    def why_not(self):
        return None

    def start(self):
        with Progress("the host boots"):
            self.host = Host(self.workshop, tools=True)
        with Progress("its guest boots"):
            self.guest = self.host.boot_guest("demo", cid=CID, vcpus=2, memory=320)
            traces.prepare(self.host, self.guest)

    def close(self):
        if self.host:
            self.host.close()

    def record(self):
        with Progress("recording"):
            done = traces.Round(self.workshop, self.host, [self.guest], CLOCK, (CLOCK,))
        note("\n".join(done.said))
        (_, _, *files), = done.found
        return files


class ThisMachine(Machines):
    """A guest of this machine's KVM, and traces of both. accel: by what the guest runs; under another than
    KVM no event of this kernel's tells when."""

    title = "this machine with its own ftrace, and a guest of its KVM"
    is_emulated = False

    def __init__(self, workshop, accel, tracefs=TRACEFS):
        self.workshop, self.accel, self.tracefs = workshop, accel, tracefs
        self.guest = self._recording = None
        self._settings = {}

    def why_not(self):
        """Why this machine and a guest of its own cannot be traced; None where they can be tried."""
        if self.accel != "kvm":
            return "KVM starts no guest here"
        if not os.access(self.tracefs / "trace_clock", os.W_OK):
            return f"{self.tracefs} cannot be written (root can, where it is mounted)"
        for event in traces.CROSSINGS:
            if not (self.tracefs / "events" / event.replace(":", "/")).exists():
                return f"its kernel has no event {event}"
        # trace-cmd would end what goes on there.
        if self._read("current_tracer") != "nop" or self._read("set_event"):
            return "something else uses its ftrace"
        try:
            trace_cmds.command()
        except stock.Unavailable as e:
            return str(e)
        return None

    def _read(self, name):
        return (self.tracefs / name).read_text(encoding="utf-8").strip()

    def start(self):
        clocks = self._read("trace_clock")
        self._settings = {"trace_clock": clocks[clocks.index("[") + 1:clocks.index("]")],
                          "tracing_on": self._read("tracing_on")}
        with Progress("the guest boots"):
            self.guest = LocalGuest(self.workshop, "demo", accel=self.accel, cpu="host", vcpus=2,
                                    memory=320, tools=True, timeout=PATIENCE_SECONDS)
            measure.mount_tracefs(self.guest.shell)
            measure.start_agent(self.guest.shell, f"serial:/dev/virtio-ports/{measure.OUR_PORT}")

    def close(self):
        if self._recording:
            # It passes that on to trace-cmd, which then leaves ftrace as it should be left.
            self._recording.process.terminate()
            try:
                self._recording.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            self._recording.close()
        if self.guest:
            self.guest.close()
        for name, value in self._settings.items():
            if f"[{value}]" not in self._read(name) and self._read(name) != value:
                (self.tracefs / name).write_text(value, encoding="utf-8")

    def words(self, here):
        """`record` with trace-cmd beside it: limited in time, whatever becomes of us."""
        clocks = [word for clock in traces.GUEST_CLOCKS for word in ("--clock", clock)]
        events = [word for event in traces.CROSSINGS for word in ("-e", event)]
        return [self.workshop.build.absolute() / "collector/trace-clock-sync", "record", "-o", here / "run.tcs",
                "--qmp", self.guest.qmp_path, "--agent", f"unix:{self.guest.agent_socket(measure.OUR_PORT)}",
                *clocks, "--interval", "0.5", "--timeout", "20", "--", *trace_cmds.command(), "record", *events,
                "-C", CLOCK, "-o", here / "host.dat", "sleep", str(TRACE_SECONDS)]

    def _wait_for(self, holds):
        deadline = time.monotonic() + TRACE_SECONDS + PATIENCE_SECONDS
        while not holds():
            if self._recording.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(self._recording.why())
            time.sleep(0.05)

    def record(self):
        here = self.workshop.directory / "this-machine"
        here.mkdir()
        enabled = f"events/{traces.CROSSINGS[-1].replace(':', '/')}/enable"
        with Progress("recording"):
            self._recording = Process(self.workshop, "record", self.words(here))
            self._wait_for(lambda: self._read(enabled) == "1")
            traces.record_guest(self.guest.shell, CLOCK)
            self._recording.process.wait(TRACE_SECONDS + PATIENCE_SECONDS)
        if self._recording.process.returncode or not (here / "host.dat").exists():
            raise Failure(self._recording.why())
        note(self._recording.output().strip().splitlines()[-1])
        guest = traces.fetch(self.guest.shell, f"/run/{CLOCK}.dat", here / "guest.dat")
        return here / "run.tcs", here / "host.dat", guest


def _record_by(way, say, folder):
    note(f"They are: {way.title}")
    with way as machines:
        say("7. Three recordings at once: the clocks, the host (trace-cmd: kvm_entry, kvm_exit), "
            "the guest\n   (trace-cmd: sched, irq)")
        for path, name in zip(machines.record(), FILES):
            shutil.copy(path, folder / name)
    return way


def record(ways, say, folder):
    """Leaves the log and both traces in the folder, by the first way that works; returns that. The last one may
    raise, of the others it is told why they do not work."""
    *others, last = ways
    for way in others:
        why = way.why_not()
        try:
            if not why:
                return _record_by(way, say, folder)
        except BROKEN as e:
            why = f"{e}"
        note(f"(not {way.title}: {why})")
    return _record_by(last, say, folder)
