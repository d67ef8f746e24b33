#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `export` writes, held against worlds whose truth is known: in each tool's arithmetic, and
read by the tools that Debian has. Argument: the build directory."""
import json
import os
import pty
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import cases
import ctf_trace
import perfetto_trace
from probe import BUILD, WRAPPER
from recording import Recording
from test_show_world import FILE, REFUSED, USAGE, Vcpu, World, signed

PROGRAM = [*WRAPPER, os.path.join(BUILD, "collector", "trace-clock-sync"), "export"]
TOLD = re.compile(r"guest (\S+) as host (\S+): within (\d+) (ns|ticks), half of the time "
                  r"within (\d+); for stamps from (\d+) to (\d+)")
SNAPSHOT = re.compile(r"guest:(\S+) is clock (\d+); as host (\S+) within (\d+) ns, half of "
                      r"the time within (\d+)")
SAMPLES = 15


class Export:
    """A log of a world in a folder of its own, and moments within the recording."""

    def __init__(self, world=None, samples=SAMPLES, change=None):
        self._folder = tempfile.TemporaryDirectory(prefix="tcs-export-")
        self.path = Path(self._folder.name)
        self.world = world or World()
        recording = Recording(self.world)
        for number in range(samples):
            recording.sample()
            if change:
                change(self.world, number)
        self.log = self.path / "run.tcs"
        self.log.write_text("".join(line + "\n" for line in recording.lines()))
        self.windows = [s["window"] for s in recording.samples]
        self.moments = [self.world.rng.randrange(self.windows[0][0], self.windows[-1][1])
                        for _ in range(300)]
        self.err = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def run(self, *words, status=0, text=True):
        """What is written to standard output."""
        done = subprocess.run([*PROGRAM, self.log, *map(str, words)], capture_output=True,
                              text=text, timeout=60, check=False)
        self.err = done.stderr if text else done.stderr.decode()
        assert done.returncode == status, (words, done.returncode, self.err)
        if status:
            assert not done.stdout, done.stdout
        for line in self.err.splitlines():
            assert line.startswith("trace-clock-sync export: "), line
        return done.stdout

    def told(self):
        """(worst, half, first stamp, last stamp) of standard error"""
        found = TOLD.search(self.err)
        assert found, self.err
        return tuple(map(int, found.group(3, 5, 6, 7)))

    def guest(self, clock, moment, vcpu=0):
        return self.world.vcpus[vcpu].counter(moment) if clock == "x86-tsc" else \
            self.world.guest[clock].shown(moment)

    def host(self, clock, moment):
        return moment if clock == "x86-tsc" else self.world.host[clock].shown(moment)

    def judge(self, guest_clock, host_clock, reader, vcpu=0):
        """Every stamp of the recording is shown within the bound told, and half of them within
        the half's. A reader is a function of a stamp."""
        worst, half, first, last = self.told()
        errors = []
        for moment in self.moments:
            stamp = self.guest(guest_clock, moment, vcpu)
            if first <= stamp <= last or vcpu:
                errors.append(abs(signed(reader(stamp) - self.host(host_clock, moment))))
        assert len(errors) > 250, len(errors)
        assert max(errors) <= worst, (guest_clock, host_clock, max(errors), worst)
        assert sorted(errors)[len(errors) // 3] <= half, (guest_clock, host_clock, half)
        # The bound is honest, whatever was written; that it is small says that it is good.
        assert half < 40000, (guest_clock, host_clock, half)
        return worst, half


def drifting(ppm=20, **arguments):
    """a world whose guest clocks run faster than the host's"""
    world = World(**arguments)
    for clock in world.guest.values():
        clock.rate *= 1 + Fraction(ppm, 10**6)
    return world


def scaled(**arguments):
    """1 GHz on a 2 GHz host, as SVM scales"""
    return World(vcpus=[Vcpu(0, multiplier=1 << 31, offset=-5000),
                        Vcpu(1, multiplier=1 << 31, offset=-5000)], **arguments)


def perf_reader(text):
    """perf's own arithmetic, of tools/perf/builtin-inject.c"""
    _, _, offset, scale = text.strip().rsplit(",", 3)
    offset, scale = int(offset) % (1 << 64), float(scale)
    return lambda stamp: int(float((stamp - offset) % (1 << 64)) / scale)


def test_perf():
    """perf: its arithmetic with these numbers gives the host's clock"""
    for make in (World, drifting, scaled):
        for guest, host in (("x86-tsc", "x86-tsc"), ("mono", "mono"), ("boot", "x86-tsc"),
                            ("x86-tsc", "mono")):
            with Export(make(seed=3)) as export:
                text = export.run("perf", "--pid", 77, "--guest", "g.data", "--guest-clock",
                                  guest, "--host-clock", host)
                assert text.startswith("g.data,77,"), text
                export.judge(guest, host, perf_reader(text))
                assert "warning" not in export.err, export.err


def test_perf_exact():
    """perf: an unscaled counter takes KVM's own offset, and no error is left"""
    with Export(World(vcpus=[Vcpu(0, offset=-123456789012)])) as export:
        assert export.run("perf", "--pid", 5) == "perf.data.guest,5,-123456789012,1\n"
        assert export.told()[0] == 0, export.err
    with Export(scaled()) as export:
        assert export.run("perf", "--pid", 5).startswith("perf.data.guest,5,-5000,0.5")
    # Ticks beyond 2^53 do not fit perf's double, and that is told.
    with Export(World(start=(1 << 60) + 1, vcpus=[Vcpu(0, offset=-1000)])) as export:
        text = export.run("perf", "--pid", 5)
        assert "double" in export.err, export.err
        worst, _ = export.judge("x86-tsc", "x86-tsc", perf_reader(text))
        assert 100 < worst < 2000, worst


def test_perf_cpus():
    """perf: CPUs of different offsets are told, and the bound is for all of them"""
    world = World(vcpus=[Vcpu(0, offset=-10**9), Vcpu(1, offset=-10**9 - 800)])
    with Export(world) as export:
        reader = perf_reader(export.run("perf", "--pid", 5))
        assert re.search(r"warning: .*differ by 80\d ticks", export.err), export.err
        for vcpu in (0, 1):
            worst = export.judge("x86-tsc", "x86-tsc", reader, vcpu)[0]
        assert worst < 810, worst


def test_perf_pid():
    """perf: without --pid a process that has the vCPUs' threads is found, or asked for"""
    with Export() as export:
        export.run("perf", status=USAGE)
        assert "--pid" in export.err, export.err
        export.run("perf", "--pid", -1, status=USAGE)
        export.run("perf", "--pid", 1, "--guest", "a,b", status=USAGE)
        assert "comma" in export.err, export.err
        # A thread of ours is not QEMU's, whatever its number.
        text = export.log.read_text().replace('"thread-id":4000', f'"thread-id":{os.getpid()}')
        export.log.write_text(text)
        export.run("perf", status=USAGE)
        # But one that is named so is.
        with subprocess.Popen(["bash", "-c", "printf 'CPU 0/KVM' >/proc/$$/comm; echo; read -r x"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            export.log.write_text(re.sub(r'"thread-id":\d+', f'"thread-id":{process.pid}', text))
            assert export.run("perf").split(",")[1] == str(process.pid)
            process.stdin.close()


def test_gap():
    """a mapping that changed is told, and the line is that of the longest part"""
    def change(world, number):
        if number == 4:
            world.vcpus[0].offset += 10**12
            world.generation += 1
    with Export(World(vcpus=[Vcpu(0, offset=0)]), change=change) as export:
        assert export.run("perf", "--pid", 5) == "perf.data.guest,5,1000000000000,1\n"
        assert "a clock changed between" in export.err, export.err
        assert "elsewhere up to 1000000000000 ticks off" in export.err, export.err

    def back(world, number):
        if number == 4:
            world.vcpus[0].offset -= 10**12
            world.generation += 1
    with Export(World(vcpus=[Vcpu(0, offset=0)]), change=back) as export:
        export.run("perf", "--pid", 5, status=REFUSED)
        export.run("trace-cmd-attach", status=REFUSED)
        export.run("ctf", "--clock-block", "--guest-clock", "x86-tsc", status=REFUSED)


def test_manifest():
    """perfetto: the manifest's offset has Perfetto's sign and the bound that is told"""
    with Export(drifting()) as export:
        document = json.loads(export.run("perfetto", "--host", 'h"\\\n', "--guest", "g.pftrace",
                                         "--guest-clock", "mono"))["perfetto_manifest"]
        assert document["version"] == 1
        assert document["trace_time"] == {"clock": "BOOTTIME", "file": 'h"\\\n'}, document
        host, guest = document["files"]
        assert host["path"] == 'h"\\\n' and guest["path"] == "g.pftrace", document
        assert host["machine"] != guest["machine"], document
        clocks = guest["clocks"]
        assert clocks["clock"] == "MONOTONIC", clocks
        assert clocks["sync_to"] == {"file": 'h"\\\n', "clock": "BOOTTIME"}, clocks
        # "the source clock reads T when the reference clock reads T + offset_ns"
        export.judge("mono", "boot", lambda stamp: stamp + clocks["offset_ns"])
        export.run("perfetto", "--guest-clock", "tai", status=USAGE)
        export.run("perfetto", "--guest-clock", "x86-tsc", status=USAGE)
        export.run("perfetto", "--host", b"\xff".decode(errors="surrogateescape"), status=USAGE)


def test_snapshots():
    """perfetto: the snapshots, followed as Perfetto does, carry a rate"""
    with Export(drifting(300)) as export:
        data = export.run("perfetto", "--snapshots", text=False)
        snapshots = perfetto_trace.snapshots(data)
        assert len(snapshots) > 10 * SAMPLES, len(snapshots)
        told = {name: (int(number), int(bound), int(half))
                for name, number, _, bound, half in SNAPSHOT.findall(export.err)}
        assert set(told) == set(export.world.guest), told
        for name, (number, bound, half) in told.items():
            assert number == perfetto_trace.global_id("trace-clock-sync.guest:" + name)
            stamps = [s[number] for s in snapshots]
            assert stamps == sorted(stamps)
            errors = []
            for moment in export.moments:
                stamp = export.guest(name, moment)
                shown = perfetto_trace.convert(snapshots, number, 6, stamp)
                errors.append(abs(shown - export.host("boot", moment)))
            assert max(errors) <= bound, (name, max(errors), bound)
            assert sorted(errors)[len(errors) // 3] <= half < 30000, (name, half)
            # One offset for all would be off by 300 ppm of half the time.
            assert sorted(errors)[len(errors) // 2] < 20000, sorted(errors)[len(errors) // 2]
        for builtin, name in ((1, "realtime"), (3, "mono"), (5, "mono_raw")):
            moment = export.moments[0]
            shown = perfetto_trace.convert(snapshots, builtin, 6, export.host(name, moment))
            assert abs(shown - export.host("boot", moment)) < 10**6, (name, shown)


def test_protoc():
    """perfetto: protoc decodes the same snapshots"""
    if not shutil.which("protoc"):
        cases.skip("protoc is not installed")
    with Export() as export:
        data = export.run("perfetto", "--snapshots", text=False)
        done = subprocess.run(["protoc", "--decode_raw"], input=data, capture_output=True,
                              timeout=60, check=True)
        assert perfetto_trace.decoded_by_protoc(done.stdout.decode()) == \
            perfetto_trace.snapshots(data)


def lttng_pair(export, guest_offset, host_offset):
    """Traces of both sides with events at the same moments"""
    traces = []
    for side, read, offset in (("host", export.host, host_offset),
                               ("guest", export.guest, guest_offset)):
        clock = ctf_trace.lttng_clock(f"0000000{len(traces)}-1111-2222-3333-444444444444", offset)
        traces.append(ctf_trace.write(export.path / side, clock, side,
                                      [read("mono", m) for m in sorted(export.moments)]))
    return traces


def judge_ctf(export, shown, vcpu_clock="mono"):
    worst, half, first, last = export.told()
    errors = [abs(shown["guest", n] - shown["host", n])
              for n, m in enumerate(sorted(export.moments))
              if first <= export.guest(vcpu_clock, m) <= last]
    assert len(errors) > 250 and max(errors) <= worst, (len(errors), max(errors), worst)
    assert sorted(errors)[len(errors) // 3] <= half < 40000, half


def need_babeltrace():
    if not ctf_trace.BABELTRACE:
        cases.skip("babeltrace2 is not installed")


def test_ctf_command():
    """ctf: babeltrace2, run as told, shows host and guest events at the same times"""
    need_babeltrace()
    with Export(drifting()) as export:
        for offsets in ((0, 0), (1700000000123456789, 1700000000987654321)):
            host, guest = lttng_pair(export, *offsets)
            command = export.run("ctf", "--host", host, "--guest", guest, "--guest-offset",
                                 offsets[0], "--host-offset", offsets[1])
            judge_ctf(export, ctf_trace.read(command))
            shutil.rmtree(host)
            shutil.rmtree(guest)
        export.run("ctf", "--guest-clock", "x86-tsc", status=USAGE)
        export.run("ctf", "--host-clock", "x86-tsc", status=USAGE)


def test_ctf_block():
    """ctf: babeltrace2 takes the clock class, of a clock in ns and of a counter"""
    need_babeltrace()
    for clock, world in (("mono", drifting()), ("x86-tsc", scaled()), ("x86-tsc", World())):
        with Export(world) as export:
            host_offset = 1700000000000000000
            host = ctf_trace.write(
                export.path / "host", ctf_trace.lttng_clock(
                    "00000000-1111-2222-3333-444444444444", host_offset), "host",
                [export.host("mono", m) for m in sorted(export.moments)])
            block = export.run("ctf", "--clock-block", "--guest-clock", clock, "--host-offset",
                               host_offset)
            guest = ctf_trace.write(export.path / "guest", block, "guest",
                                    [export.guest(clock, m) for m in sorted(export.moments)])
            force = "--params=force-clock-class-origin-unix-epoch=yes"
            quoted = [shlex.quote(f'--params=inputs=["{t}"]') for t in (host, guest)]
            judge_ctf(export, ctf_trace.read(
                f"babeltrace2 --component=a:src.ctf.fs {quoted[0]} {force} "
                f"--component=b:src.ctf.fs {quoted[1]}"), clock)


def of_machine(export, counter):
    """The same log, had it been made on a machine with another counter."""
    export.log.write_text(export.log.read_text().replace("x86-tsc", counter))


def test_other_counters():
    """perf and trace-cmd-attach: the counter is the log's, by the name it has there"""
    for counter in ("ppc-tb", "arm-cntvct", "riscv-time"):
        with Export(World(vcpus=[Vcpu(0, offset=-123456789012)])) as export:
            of_machine(export, counter)
            assert export.run("perf", "--pid", 5) == "perf.data.guest,5,-123456789012,1\n"
            assert f"guest {counter} as host {counter}: within 0 ticks" in export.err, export.err
            named = export.run("perf", "--pid", 5, "--guest-clock", counter, "--host-clock", counter)
            assert named == "perf.data.guest,5,-123456789012,1\n", named
            export.run("perf", "--pid", 5, "--guest-clock", "x86-tsc", status=REFUSED)
            assert "guest:x86-tsc" in export.err, export.err
            if counter == "ppc-tb":
                words = export.run("trace-cmd-attach").split()
                assert words[5] == "123456789012,1,0,0", words
                export.run("trace-cmd-attach", "--guest-clock", "mono", status=REFUSED)
                assert "with ppc-tb only" in export.err, export.err
            else:
                # There is no such clock of ftrace's.
                export.run("trace-cmd-attach", status=REFUSED)
                assert counter in export.err and "apply" in export.err, export.err


def test_attach():
    """trace-cmd-attach: one offset, added as readers add it, and each CPU's thread"""
    for apart, bound in ((0, 0), (1, 0), (20, 400)):
        world = World(vcpus=[Vcpu(i, offset=-10**12 + i * apart, bound=bound) for i in (0, 1)])
        with Export(world) as export:
            words = shlex.split(export.run("trace-cmd-attach", "--guest", "g 1.dat"))
            assert words[:5] == ["trace-cmd", "attach", "-c", "2", "-s"], words
            assert words[6:] == ["host.dat", "g 1.dat", "4000", "4001"], words
            assert "trace-cmd 3.2" in export.err, export.err
            offset, *rest = map(int, words[5].split(","))
            assert rest == [1, 0, 0], words
            # attach gives all CPUs the first "-s"; ((stamp * scale) >> fraction) + offset
            errors = sorted(abs(signed(export.guest("x86-tsc", moment, vcpu) + offset - moment))
                            for moment in export.moments for vcpu in (0, 1))
            worst, half = export.told()[:2]
            assert errors[-1] <= worst and errors[len(errors) // 2 - 1] <= half, (errors, worst)
            assert worst <= apart + bound, export.err
            export.run("trace-cmd-attach", "--guest-clock", "mono", status=REFUSED)
            export.run("trace-cmd-attach", "--host-clock", "mono", status=REFUSED)
    with Export(scaled()) as export:
        export.run("trace-cmd-attach", status=REFUSED)
        assert "scaled" in export.err and "apply" in export.err, export.err


def test_attach_apart():
    """trace-cmd-attach: CPUs whose counters differ are refused, by how much, and what does take them"""
    for apart in (2, -5000, 10**9):
        world = World(vcpus=[Vcpu(0, offset=-10**12), Vcpu(1, offset=-10**12),
                             Vcpu(2, offset=-10**12 + apart)])
        with Export(world) as export:
            export.run("trace-cmd-attach", status=REFUSED)
            assert f"differ by {abs(apart)} ticks" in export.err, export.err
            assert "apply" in export.err, export.err


def test_terminal():
    """perfetto: snapshots are not written to a terminal, and the message says where to"""
    with Export() as export:
        near, far = pty.openpty()
        try:
            done = subprocess.run([*PROGRAM, export.log, "perfetto", "--snapshots"], stdout=far,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert done.returncode == USAGE and "add -o FILE" in done.stderr, done
            os.set_blocking(near, False)
            try:
                assert not os.read(near, 100)
            except BlockingIOError:
                pass    # nothing came
            done = subprocess.run([*PROGRAM, export.log, "perfetto", "--snapshots", "-o", export.path / "new"],
                                  stdout=far, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert done.returncode == 0 and (export.path / "new").stat().st_size > 100, done
        finally:
            os.close(near)
            os.close(far)


def test_refused():
    """clocks that are no time or not in the log, an empty log, and wrong words"""
    with Export() as export:
        for words, status in (
                (("perf", "--pid", 1, "--guest-clock", "counter"), REFUSED),
                (("perf", "--pid", 1, "--guest-clock", "local"), REFUSED),
                (("ctf", "--guest-clock", "none"), USAGE),
                (("ctf", "--host-clock", "none"), USAGE), ((), USAGE), (("svg",), USAGE),
                (("perf", "more"), USAGE), (("ctf", "--pid", 3), USAGE),
                (("perf", "--snapshots"), USAGE), (("perfetto", "--clock-block"), USAGE),
                (("perfetto", "--snapshots", "--host-clock", "tai"), USAGE)):
            export.run(*words, status=status)
        whole = export.log.read_text()
        export.log.write_text(whole.splitlines()[0] + "\n")
        export.run("perfetto", status=REFUSED)
        export.log.unlink()
        export.run("perfetto", status=FILE)
        assert "; name a log that" in export.err, export.err


def test_output():
    """-o writes the whole file or leaves the old one, and nothing beside it"""
    with Export() as export:
        target = export.path / "out" / "manifest.json"
        export.run("perfetto", "-o", target, status=FILE)
        target.parent.mkdir()
        target.write_text("old")
        export.run("perfetto", "--guest-clock", "none", "-o", target, status=USAGE)
        assert target.read_text() == "old"
        assert export.run("perfetto", "-o", target) == ""
        assert target.read_text() == export.run("perfetto")
        assert [p.name for p in target.parent.iterdir()] == [target.name]
        assert stat.S_IMODE(target.stat().st_mode) & 0o111 == 0
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([*PROGRAM, export.log, "perfetto"], stdout=full,
                                      stderr=subprocess.PIPE, timeout=60, check=False)
            assert done.returncode == FILE, done


if __name__ == "__main__":
    cases.run(globals())
