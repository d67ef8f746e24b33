#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Which machine `make demo` traces, that it turns to another one aloud where that fails, and how it leaves
# this one's ftrace. The guest, ftrace and the recorders are fakes: nothing is traced here.
#   test-demo.py SOURCE
import base64
import contextlib
import gzip
import io
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from unittest import mock

ROOT = Path(sys.argv[1])
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / d) for d in ("tests/testbed", "tests", "scripts", "tests/fake")]

import cases  # noqa: E402
import demo_machines  # noqa: E402
import demo_traces  # noqa: E402
import stock  # noqa: E402
from channel import Failure  # noqa: E402

ENABLED = "events/kvm/kvm_exit/enable"
# Stands for trace-cmd: enables its event until the guest has recorded, and leaves another clock behind.
TRACER = """#!/bin/sh
echo 1 >{tracefs}/events/kvm/kvm_exit/enable
i=0; until [ -e {tracefs}/recorded ] || [ $i = 300 ]; do i=$((i + 1)); sleep 0.1; done
echo 0 >{tracefs}/events/kvm/kvm_exit/enable
echo 'local [mono]' >{tracefs}/trace_clock
echo 0 >{tracefs}/tracing_on
while [ "$1" != -o ]; do shift; done
echo "the host's" >$2
"""
# Stands for trace-clock-sync: its log, and the command behind "--".
RECORDER = """#!/bin/sh
[ "$1 $2" = "record -o" ] || exit 2
echo "the log" >$3
while [ "$1" != -- ]; do shift; done
shift
"$@"
echo "{last}"
exit {status}
"""


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class FakeGuest:
    """What LocalGuest is, with a shell that has recorded something."""

    made = []

    def __init__(self, workshop, _name, **options):
        self.workshop, self.options, self.closed, self.shell = workshop, options, False, self
        self.qmp_path = workshop.directory / "qmp"
        FakeGuest.made.append(self)

    def agent_socket(self, name):
        return self.workshop.directory / name

    def check(self, text, *_, **__):
        if "trace-cmd record" in text:
            assert (self.workshop.tracefs / ENABLED).read_text() == "1\n", "the host is not traced yet"
            (self.workshop.tracefs / "recorded").touch()
        return base64.b64encode(gzip.compress(b"the guest's")).decode() if "base64" in text else "1"

    def close(self):
        self.closed = True


class FakeWorkshop:
    def __init__(self, folder, status=0):
        self.directory, self.build, self.tracefs = folder / "work", folder / "build", folder / "tracing"
        self.directory.mkdir()
        for event in ("kvm_entry", "kvm_exit"):
            (self.tracefs / "events/kvm" / event).mkdir(parents=True)
            (self.tracefs / "events/kvm" / event / "enable").write_text("0\n")
        for name, value in (("trace_clock", "[local] mono"), ("tracing_on", "1"), ("current_tracer", "nop"),
                            ("set_event", "")):
            (self.tracefs / name).write_text(value + "\n")
        script(folder / "trace-cmd", TRACER.format(tracefs=self.tracefs))
        script(self.build / "collector/trace-clock-sync", RECORDER.format(last="said last", status=status))

    def path(self, name):
        return self.directory / name

    def machine(self, accel="kvm"):
        return demo_machines.ThisMachine(self, accel, self.tracefs)


@contextlib.contextmanager
def world(status=0, command=None):
    with tempfile.TemporaryDirectory(prefix="tcs-demo-") as name:
        folder = Path(name)
        workshop = FakeWorkshop(folder, status)
        with mock.patch.multiple(demo_machines, LocalGuest=FakeGuest), \
                mock.patch("trace_cmds.command", command or (lambda: (str(folder / "trace-cmd"),))):
            FakeGuest.made.clear()
            yield workshop


class FakeWay:
    """Machines that are not there, or fail at something."""

    is_emulated = True

    def __init__(self, title, folder, why=None, fails=None):
        self.title, self.folder, self.why, self.fails, self.ended = title, folder, why, fails, False

    def why_not(self):
        return self.why

    def __enter__(self):
        if self.fails == "enter":
            raise Failure("it does not boot")
        return self

    def __exit__(self, *_):
        self.ended = True

    def record(self):
        if self.fails == "record":
            raise OSError("it does not record")
        files = [self.folder / f"{self.title}-{name}" for name in demo_machines.FILES]
        for file in files:
            file.write_text(self.title)
        return files


def recorded(ways, folder):
    """(the way, what was said)"""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        way = demo_machines.record(ways, print, folder)
    return way, out.getvalue()


def test_decision():
    """this machine is traced by KVM, with ftrace that is its own, free and has the events"""
    with world() as workshop:
        assert workshop.machine().why_not() is None
        assert "KVM" in workshop.machine("tcg").why_not()
        for name, other in (("current_tracer", "function"), ("set_event", "sched:sched_switch")):
            file = workshop.tracefs / name
            before = file.read_text()
            file.write_text(other)
            assert "something else" in workshop.machine().why_not(), name
            file.write_text(before)
        (workshop.tracefs / ENABLED).rename(workshop.tracefs / "away")
        (workshop.tracefs / ENABLED).parent.rmdir()
        assert "no event kvm:kvm_exit" in workshop.machine().why_not()
        (workshop.tracefs / "trace_clock").unlink()
        assert "cannot be written" in workshop.machine().why_not()

    def missing():
        raise stock.Unavailable("trace-cmd is not installed")
    with world(command=missing) as workshop:
        assert "not installed" in workshop.machine().why_not()


def test_fallback():
    """what does not work is told with its reason, and the next is taken"""
    for first in ({"why": "there is none"}, {"fails": "enter"}, {"fails": "record"}):
        with tempfile.TemporaryDirectory(prefix="tcs-demo-") as name:
            folder = Path(name)
            broken, good = FakeWay("broken", folder, **first), FakeWay("good", folder)
            way, said = recorded((broken, good), folder)
            assert way is good and good.ended, said
            assert broken.ended == (first.get("fails") == "record")
            reason = first.get("why") or {"enter": "does not boot", "record": "does not record"}[first["fails"]]
            assert "(not broken: " in said and reason in said, said
            assert all((folder / file).read_text() == "good" for file in demo_machines.FILES)
    with tempfile.TemporaryDirectory(prefix="tcs-demo-") as name:
        way, said = recorded((FakeWay("first", Path(name)), FakeWay("second", Path(name))), Path(name))
        assert way.title == "first" and "(not " not in said, said
        try:
            recorded((FakeWay("only", Path(name), fails="record"),), Path(name))
        except OSError:
            return
        raise AssertionError("the last one's failure is not told")


def test_this_machine():
    """host, guest and clocks are recorded at once, and ftrace is left as it was"""
    for status in (0, 3):
        with world(status) as workshop:
            way, said = recorded((workshop.machine(), FakeWay("other", workshop.directory)),
                                 workshop.directory)
            texts = [(workshop.directory / file).read_text().strip() for file in demo_machines.FILES]
            if status:
                assert way.title == "other" and "said last" in said, said
            else:
                assert texts == ["the log", "the host's", "the guest's"], texts
                assert not way.is_emulated and "said last" in said, said
            guest, = FakeGuest.made
            assert guest.closed and guest.options["accel"] == "kvm" and guest.options["tools"], guest.options
            # Where a real kernel would show "[local] mono" again.
            assert (workshop.tracefs / "trace_clock").read_text() == "local"
            assert (workshop.tracefs / "tracing_on").read_text() == "1"


def test_raw():
    """the guest's trace as it was before apply is left as well, and named"""
    def record(_ways, _say, new):
        for name in demo_machines.FILES:
            (new / name).write_text(name)
        return FakeWay("any", new)

    def run(words, new):
        if words[1] == "apply":
            (new / "guest.dat").write_text("corrected")

    out = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="tcs-demo-") as name, contextlib.redirect_stdout(out), \
            mock.patch.multiple(demo_machines, record=record, ThisMachine=mock.Mock(), Testbed=mock.Mock()), \
            mock.patch.multiple(demo_traces, run=run, show_refusal=mock.Mock(),
                                merged_lines=lambda _: ([], Decimal(1), Decimal(1))):
        demo_traces.make(None, "build", print, Path(name) / "demo", "tcg")
        left = {path.name: path.read_text() for path in (Path(name) / "demo").iterdir()}
        assert left["guest.dat"] == "corrected" and left.get("guest-raw.dat") == "guest.dat", left
    assert "--guest demo/guest-raw.dat " in out.getvalue(), out.getvalue()


cases.run(globals())
