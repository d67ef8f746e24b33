# SPDX-License-Identifier: GPL-2.0-or-later
# The demo's second half: records a host and its guest at once, puts both on one timeline, judges
# that, and draws it. The host is the testbed's: real KVM on an emulated machine, because most
# machines give a demo neither /dev/kvm nor their own ftrace. Leaves its results in a folder.
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/testbed/scenarios")]

import trace_cmds  # noqa: E402
import traces  # noqa: E402
from machines import Host  # noqa: E402

CID, CLOCK = 3, "mono"
QUIET_SECONDS = 9
LINES = 20


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


class Machines:
    """A host with a guest in it, and traces of both."""

    def __init__(self, workshop):
        self.workshop, self.host, self.guest = workshop, None, None

    def __enter__(self):
        try:
            with Progress("the host boots"):
                self.host = Host(self.workshop, tools=True)
            with Progress("its guest boots"):
                self.guest = self.host.boot_guest("demo", cid=CID, vcpus=2, memory=320)
                traces.prepare(self.host, self.guest)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.host:
            self.host.close()

    def note(self, text):
        print("   " + text.replace("\n", "\n   "))

    def record(self):
        with Progress("recording"):
            done = traces.Round(self.workshop, self.host, [self.guest], CLOCK, (CLOCK,))
        self.note("\n".join(done.said))
        (_, _, *files), = done.found
        return files


def run(words, folder):
    """Shows what is run in the folder and what it says; raises where it fails."""
    print("   $ " + " ".join([Path(words[0]).name, *words[1:]]), flush=True)
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120,
                          check=False)
    print("".join(f"     {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words)


STAMP = re.compile(r"\] +(\d+\.\d+): +(\w+):")


def merged_lines(folder):
    """(trace-cmd's lines around the VM exit where most is going on, seconds: its time and theirs)

    An exit that follows an event of the guest; of those the one whose lines are nearest in time.
    """
    words = [*trace_cmds.command(), "report", "-i", "host.dat", "-i", "guest.dat"]
    print("   $ trace-cmd " + " ".join(words[1:]), flush=True)
    report = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace",
                            timeout=120, check=True).stdout.splitlines()
    rows = [(line, Decimal(m.group(1)), m.group(2)) for line in report for m in [STAMP.search(line)]
            if m]
    before = LINES // 2
    found = [(rows[i + before - 1][1] - rows[i - before][1], i)
             for i in range(before, len(rows) - before) if rows[i][2] == "kvm_exit" and
             rows[i - 1][0].lstrip().startswith("guest.dat:")]
    if not found:
        raise ValueError("the report shows no VM exit after an event of the guest")
    span, i = min(found)
    return [line for line, *_ in rows[i - before:i + before]], rows[i][1], span


def shorten(line):
    return line.replace("  ", " ")[:110]


def replace_folder(new, target):
    """The old results go when the new ones are whole."""
    old = Path(tempfile.mkdtemp(prefix=".demo-old-", dir=target.parent))
    try:
        if target.exists():
            target.rename(old / "demo")
        new.rename(target)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def make(workshop, build, say, target):
    """Raises where something fails; then the results of an earlier time are as they were."""
    new = Path(tempfile.mkdtemp(prefix=".demo-new-", dir=target.parent))
    new.chmod(0o755)
    program = str(Path(build, "collector/trace-clock-sync").absolute())
    try:
        say("6. Now traces. A host with real KVM, emulated on this machine, and a guest in it")
        with Machines(workshop) as machines:
            say("7. Three recordings at once: the clocks, the host (trace-cmd: kvm_entry, kvm_exit), "
                "the guest\n   (trace-cmd: sched, irq)")
            found = machines.record()
            for path, name in zip(found, ("run.tcs", "host.dat", "guest.dat")):
                shutil.copy(path, new / name)
        pair = ["--guest", "guest.dat", "--host", "host.dat"]
        say("8. apply puts the guest's trace on the host's timeline")
        run([program, "apply", "run.tcs", *pair], new)
        say("9. check tries to prove that wrong: no event of the guest while its vCPU did not run")
        run([program, "check", "run.tcs", *pair], new)
        say(f"10. {LINES} lines around a VM exit, by trace-cmd as Debian ships it")
        lines, stamp, span = merged_lines(new)
        print("\n".join("   " + shorten(line) for line in lines))
        say("11. Pictures: the offset over time, both traces, and the moment above")
        run([program, "plot", "run.tcs", "-o", "drift.svg"], new)
        run([program, "plot", "run.tcs", *pair, "-o", "timeline.svg"], new)
        run([program, "plot", "run.tcs", *pair, "--around", str(stamp), "--width",
             f"{int(span * 1500000) + 20}us",
             "-o", "moment.svg"], new)
        replace_folder(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    name = target.name
    print(f"""
   All of it is in {name}/. To look at it:
     xdg-open {name}/timeline.svg     (any browser: timeline.svg, moment.svg, drift.svg)
     trace-cmd report -i {name}/host.dat -i {name}/guest.dat | less
     kernelshark {name}/host.dat -a {name}/guest.dat     (docs/howto-kernelshark.md)""")
