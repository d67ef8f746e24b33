#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`plot`: what is in the pictures, by their SVG, of a world whose truth is known.

Argument: the build directory. Each kind of thing has a colour that nothing else has
(plot/palette.h), so it is found by that.
"""
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cases  # noqa: E402
import trace_dat  # noqa: E402
from test_apply import ENVIRONMENT  # noqa: E402
from traced_world import SECOND, START, THREADS, World  # noqa: E402

PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"
SVG = "{http://www.w3.org/2000/svg}"
# Parts of 100, rounded; text and legend have some of them as well.
AREA, BLUE, GREEN, BLACK = (34, 71, 91), (0, 45, 70), (0, 62, 45), (0, 0, 0)
PURPLE, WARNING, UNKNOWN = (80, 47, 65), (84, 37, 0), (70, 70, 70)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PANEL_LEFT, PANEL_RIGHT = 100, 1170     # of a drift
LANES_LEFT, LANES_RIGHT = 160, 1170     # of a timeline


def run(*words, status=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=ENVIRONMENT)
    assert done.returncode == status, (done.returncode, words, done.stdout, done.stderr)
    return done.stdout + done.stderr


class Path2:
    """One path of an SVG: what it is drawn with, and its points, one list a subpath."""

    def __init__(self, element):
        style = dict(part.split(":", 1) for part in element.get("style", "").split(";") if part)
        self.is_fill = style.get("fill", "none") != "none"
        self.is_dashed = "stroke-dasharray" in style
        colour = style["fill"] if self.is_fill else style.get("stroke", "")
        self.colour = tuple(round(float(n)) for n in NUMBER.findall(colour))
        self.opacity = float(style.get("fill-opacity", 1))
        self.parts = []
        for part in re.split(r"(?=M)", element.get("d")):
            numbers = [float(n) for n in NUMBER.findall(part)]
            if part.strip() and len(numbers) > 2:
                self.parts.append(list(zip(numbers[::2], numbers[1::2])))
        # cairo ends a closed part with a move to where it began.


class Picture:
    def __init__(self, path):
        text = path.read_text()
        assert "nan" not in text and "inf" not in text.replace("infer", ""), path
        self.root = ElementTree.fromstring(text)
        self.title = self.root.find(SVG + "title").text
        self.description = self.root.find(SVG + "desc").text
        self.width, self.height = (float(self.root.get(a).rstrip("px")) for a in
                                   ("width", "height"))
        definitions = {id(e) for d in self.root.iter(SVG + "defs") for e in d.iter()}
        self.paths = [Path2(e) for e in self.root.iter(SVG + "path") if id(e) not in definitions]
        for path_ in self.paths:
            for part in path_.parts:
                assert all(-1 <= x <= self.width + 1 and -1 <= y <= self.height + 1
                           for x, y in part), (path_.colour, part[:4])
        # Text is drawn by the letter.
        letters = [float(e.get("x", 0)) for e in self.root.iter(SVG + "use")]
        assert len(letters) > 100 and max(letters) < self.width - 10, max(letters)

    def parts(self, colour, left, top=0, is_fill=None, is_dashed=None):
        """The parts in this colour that are in the picture proper, by their first x."""
        found = [part for p in self.paths if p.colour == colour
                 and (is_fill is None or p.is_fill == is_fill)
                 and (is_dashed is None or p.is_dashed == is_dashed)
                 for part in p.parts if part[0][0] >= left - 5 and part[0][1] >= top]
        return sorted(found)


class Folder:
    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="tcs-plot-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def drift(world, *words, edit=None):
    with Folder() as folder:
        log = world.write_log(folder / "run.tcs")
        if edit:
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            edit(lines)
            log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        said = run("plot", log, *words, "-o", folder / "drift.svg")
        assert sorted(p.name for p in folder.iterdir()) == ["drift.svg", "run.tcs"]
        return Picture(folder / "drift.svg"), said


def bands(picture):
    """Points of each filled band in the upper panel."""
    return [part for part in picture.parts(AREA, PANEL_LEFT, is_fill=True) if len(part) > 10]


def samples_drawn(picture):
    """How many intervals are in the upper panel, and how many bounds in the lower one."""
    marks = picture.parts(BLACK, PANEL_LEFT, is_fill=False)
    bars = [part for part in marks if len(part) == 2 and part[0][0] == part[1][0]]
    crosses = sum(abs(part[0][0] - part[1][0]) == 7 for part in marks) // 2
    return len(bars) - 1, crosses - 1   # without the legend's


def test_wide_samples():
    """a sample's interval that has no room in its panel is told of"""
    def widen(lines):
        for reading in lines[3]["guest"]["readings"]:   # the third sample, 0.1 s after the first
            reading["counter-before"] -= 45000
            reading["counter-after"] += 45000
    for edit, wide in ((None, 0), (widen, 1)):
        picture, _ = drift(World(seconds=20), edit=edit)
        bars, crosses = samples_drawn(picture)
        told = re.search(r"(\d+) samples' intervals are wider", picture.description)
        assert crosses > 40 and int(told.group(1) if told else 0) == wide, picture.description
        assert bars == crosses - wide, (bars, wide)


def test_drift():
    """an offset over time: one band over the whole log, times in order, the slope told"""
    picture, said = drift(World(seconds=4))
    assert picture.width == 1200 and "12 samples, 0 gaps, 0 epochs" in said, said
    assert "guest:mono" in picture.title and "host:mono" in picture.title, picture.title
    # 23 ppm slow against 11 ppm fast.
    slope = float(re.search(r"([-+][\d.]+) ppm", picture.description).group(1))
    assert abs(slope + 34) < 0.1, picture.description
    band, = bands(picture)
    xs = [x for x, _ in band]
    turn = xs.index(max(xs))
    assert xs[:turn + 1] == sorted(xs[:turn + 1]) and len(xs) > 100, xs
    assert abs(xs[0] - PANEL_LEFT) < 1 and abs(max(xs) - PANEL_RIGHT) < 1, (xs[0], max(xs))
    # Above is above: at each x the edge drawn first is not below the one drawn back.
    back = dict(zip((round(x) for x in xs[turn:]), (y for _, y in band[turn:])))
    assert all(y <= back.get(round(x), 1e9) + 0.01 for x, y in band[:turn]), band[:5]
    assert not picture.parts(PURPLE, PANEL_LEFT, 110) and \
        not picture.parts(UNKNOWN, PANEL_LEFT, 110, is_fill=False)


def test_counter_alone():
    """without an agent the pictures are of the counter, by the name it has in the log"""
    def edit(counter):
        def apply(lines):
            for line in lines[1:]:
                line["guest"] = None
                for reply in ("qmp-before", "qmp-after"):
                    line[reply]["counter"] = counter
        return apply

    for counter in ("x86-tsc", "arm-cntvct", "ppc-tb", "riscv-time"):
        picture, _ = drift(World(), edit=edit(counter))
        assert f"guest:{counter}" in picture.title and f"host:{counter}" in picture.title, \
            picture.title


JUMP = START + 2 * SECOND + SECOND // 4


def with_epochs(causes):
    """Puts epochs of both vCPUs at the jump, and more after it, into a log."""
    def edit(lines):
        for line in lines[1:]:
            for reply in ("qmp-before", "qmp-after"):
                if line[reply]["vcpus"][0]["counter-before"] > JUMP:
                    mapping = line[reply]["vcpus"][0]
                    line[reply]["epochs"] = [
                        {"generation": 2 + n, "cpu-index": n % 2, "bound-ticks": 0,
                         "host-counter": JUMP + n // 2 * 10**7 + n % 2 * 900, "cause": cause,
                         "offset": mapping["offset"], "ratio": mapping["ratio"]}
                        for n, cause in enumerate(c for c in causes for _ in range(2))]
    return edit


def test_epochs():
    """a counter that jumps: a mark at the moment, its cause, the gap, a band on either side"""
    world = World(jump=(JUMP, 5 * SECOND))
    picture, said = drift(world, "--from", "guest:x86-tsc", "--to", "host:x86-tsc",
                          edit=with_epochs(["reset"]))
    assert "1 gaps, 1 epochs" in said, said
    # Its edges, which are one line here as the counter's mapping is exact, and its bound.
    edges = [part for part in picture.parts(BLUE, PANEL_LEFT, 100, is_fill=False)
             if part[-1][0] - part[0][0] > 100 or part[0][0] - part[-1][0] > 100]
    assert len(edges) == 6 and len({round(part[0][0]) for part in edges}) >= 2, edges
    mark, = picture.parts(PURPLE, PANEL_LEFT, 110, is_dashed=True)
    at = PANEL_LEFT + 1070 * (JUMP - START) / (3.98 * SECOND)
    assert abs(mark[0][0] - at) < 3, (mark, at)
    gaps = picture.parts(UNKNOWN, PANEL_LEFT, 110, is_fill=False)
    edges = [x for part in gaps for x, _ in part]
    assert gaps and min(edges) > PANEL_LEFT + 500 and abs(max(edges) - at) < 3, (edges, at)
    assert "its own level" in picture.description
    nothing, _ = drift(World(), "--from", "guest:x86-tsc", "--to", "host:x86-tsc")
    assert not nothing.parts(PURPLE, PANEL_LEFT, 110, is_dashed=True)


def test_many_epochs():
    """as many epochs as a log can have: marks stay apart, and it says how many have no label"""
    picture, said = drift(World(jump=(JUMP, 5 * SECOND)), "--from", "guest:x86-tsc", "--to",
                          "host:x86-tsc", edit=with_epochs(["reset", "unknown"] * 150))
    assert "epochs" in said
    marks = [part[0][0] for part in picture.parts(PURPLE, PANEL_LEFT, 110, is_dashed=True)]
    assert 50 < len(marks) < 400 and all(b - a > 2.9 for a, b in zip(marks, marks[1:])), len(marks)
    assert "not labelled" in picture.description, picture.description


def test_scaled():
    """a guest of 1 GHz: the slope is its rate, what is left are parts of ticks"""
    picture, _ = drift(World(ratio=Fraction(10, 21)), "--from", "guest:x86-tsc@0", "--to",
                       "host:x86-tsc")
    slope = float(re.search(r"([-+][\d.]+) ppm", picture.description).group(1))
    assert abs(slope + 11 / 21 * 1e6) < 1, picture.description
    assert "± 0 ticks at all" in picture.description.replace("1 ticks", "0 ticks")


class Traces:
    def __init__(self, host_clock="mono", guest_clock="mono", world=None, apply=True, **options):
        self._folder = Folder()
        self.path = self._folder.__enter__()
        self.world = world or World(seconds=2)
        self.log = self.world.write_log(self.path / "run.tcs")
        self.host, self.guest = self.world.write_traces(self.path, host_clock, guest_clock,
                                                        **options)
        if apply:
            run("apply", self.log, "--guest", self.guest, "--host", self.host)

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self._folder.__exit__(*details)

    def plot(self, *words, status=0, log=True):
        picture = self.path / "timeline.svg"
        said = run("plot", *([self.log] if log else []), "--host", self.host, "--guest",
                   self.guest, *words, "-o", picture, status=status)
        if status:
            assert not picture.exists()
        left = [p.name for p in self.path.iterdir() if p.name.startswith("timeline")]
        assert left == ([] if status else ["timeline.svg"]), left
        return (None if status else Picture(picture)), said

    def move_guest(self, error_ns):
        """Makes the guest's correction wrong by so much."""
        data = bytearray(self.guest.read_bytes())
        at = data.rindex(struct.pack("<I", 1) + struct.pack("<I", 2)) + 8
        for _ in THREADS:
            n, = struct.unpack_from("<I", data, at)
            for where in range(at + 4 + 8 * n, at + 4 + 16 * n, 8):
                offset, = struct.unpack_from("<q", data, where)
                struct.pack_into("<q", data, where, offset + error_ns)
            at += 4 + 24 * n
        self.guest.write_bytes(data)

    def moment(self, index=4):
        """(entry, exit) of a window of vCPU 0 as the traces have it, ns."""
        found = []
        for at, event, thread, _ in self.crossings():
            if thread == THREADS[0]:
                found.append((at, event))
        entries = [i for i, (_, event) in enumerate(found) if event == "kvm_entry"]
        i = entries[index]
        return found[i][0], found[i + 1][0]

    def crossings(self):
        import trace_report
        if not trace_report.TRACE_CMD:
            cases.skip("trace-cmd is not installed")
        return [(row.stamp, row.event, row.pid, 0) for row in trace_report.read(self.host)]


def stamp(ns):
    return f"{ns // 10**9}.{ns % 10**9:09}"


def test_timeline():
    """two traces: a lane a vCPU, windows, events in them, and none that is marked as wrong"""
    with Traces() as traces:
        picture, said = traces.plot()
        assert "2 vCPUs" in said and " 0 of them" in said, said
        windows = picture.parts(AREA, LANES_LEFT, 130, is_fill=True)
        lanes = sorted({part[0][1] for part in windows})
        assert len(lanes) == 2 and len(windows) > 50, (lanes, len(windows))
        marks = picture.parts(BLACK, LANES_LEFT, 130, is_fill=False)
        assert len(marks) > 100 and all(a[0] == b[0] for a, b in marks), marks[:3]
        assert not picture.parts(WARNING, LANES_LEFT, 130)
        # All events are of one kind: the others have neither a row nor a place in the legend.
        heights = {max(y for _, y in part) - min(y for _, y in part) for part in windows}
        assert heights == {36} and not picture.parts(BLUE, 0) and not picture.parts(GREEN, 0), heights
        # The host's file knows the threads since apply.
        again, _ = traces.plot(log=False)
        assert len(again.parts(AREA, LANES_LEFT, 130, is_fill=True)) == len(windows)


def test_zoom():
    """one window: it and its events are where they are in the traces"""
    with Traces() as traces:
        entry, leave = traces.moment()
        width = leave - entry
        picture, said = traces.plot("--zoom", f"{stamp(entry - width)}..{stamp(leave + width)}",
                                    "--cpu", 0)
        window, = picture.parts(AREA, LANES_LEFT, 130, is_fill=True)
        third = (LANES_RIGHT - LANES_LEFT) / 3
        xs = [x for x, _ in window]
        assert abs(min(xs) - LANES_LEFT - third) < 0.1, (xs, third)
        assert abs(max(xs) - LANES_RIGHT + third) < 0.1, (xs, third)
        marks = picture.parts(BLACK, LANES_LEFT, 130, is_fill=False)
        assert "3 events" in said and 0 < len(marks) <= 3, (said, marks)
        assert all(min(xs) < a[0] < max(xs) for a, _ in marks), (xs, marks)
        # What the axis says of itself: how to type one of its numbers.
        unit, start, number, typed = re.search(
            r"(\S+) after ([\d.]+) s of the host's clock; ([\d.]+) here is --around ([\d.]+)\.",
            picture.description).groups()
        assert unit == "µs" and start == stamp(entry - width) and float(number) > 0, picture.description
        assert Fraction(start) + Fraction(number) / 10**6 == Fraction(typed), picture.description
        traces.plot("--around", typed)
        around, _ = traces.plot("--around", stamp(entry + width // 2), "--width", f"{3 * width}ns",
                                "--cpu", 0)
        xs = [x for part in around.parts(AREA, LANES_LEFT, 130, is_fill=True) for x, _ in part]
        assert abs(min(xs) - LANES_LEFT - third) < 1, (xs, third)


def test_outside():
    """a correction that is wrong: each event outside of its window has a line and a pointer"""
    with Traces() as traces:
        traces.move_guest(-15000)
        entry, leave = traces.moment()
        picture, said = traces.plot("--zoom", f"{stamp(entry - 30000)}..{stamp(leave)}", "--cpu", 0)
        count = int(re.search(r"(\d+) of them", said).group(1))
        lines = picture.parts(WARNING, LANES_LEFT, 120, is_fill=False)
        pointers = picture.parts(WARNING, LANES_LEFT, 120, is_fill=True)
        assert count == 3 and 0 < len(lines) == len(pointers) <= 3, (said, lines, pointers)
        window = picture.parts(AREA, LANES_LEFT, 130, is_fill=True)[-1]
        for (x, _), _ in lines:
            assert x < window[0][0], (x, window)
        assert "--around" in said


def test_clocks():
    """ticks of the host, and a guest of another rate: the same picture in other units"""
    with Traces("x86-tsc", "mono", World(seconds=2, ratio=Fraction(10, 21))) as traces:
        assert "whole numbers" in traces.plot("--around", "1.5", status=2)[1]
        picture, said = traces.plot()
        assert " 0 of them" in said and "ticks" in picture.description, said


def test_many_vcpus():
    """more vCPUs than fit: some are drawn, the others named as left out, or chosen by --cpu"""
    with Traces() as traces:
        n = 100
        (entry, leave) = traces.moment()
        host = [(entry + c, "kvm_entry", 1000 + c, c) for c in range(n)] + \
            [(leave + c, "kvm_exit", 1000 + c, c) for c in range(n)]
        trace_dat.TraceDat("mono", {0: host}).write(traces.host)
        trace_dat.TraceDat("mono", {c: [(entry + 500, "tick", 7, c)] for c in range(n)}).write(
            traces.guest)
        lines = [json.loads(line) for line in traces.log.read_text().splitlines()]
        for line in lines[1:]:
            for reply in ("qmp-before", "qmp-after"):
                first = line[reply]["vcpus"][0]
                line[reply]["vcpus"] = [{**first, "cpu-index": c, "arch-id": c,
                                         "thread-id": 1000 + c} for c in range(n)]
            line["guest"]["cpus"] = [{"cpu": c, "arch-id": c} for c in range(n)]
        traces.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        picture, _ = traces.plot()
        assert "68 vCPUs are not drawn" in picture.description, picture.description
        assert len({p[0][1] for p in picture.parts(AREA, LANES_LEFT, 130, is_fill=True)}) == 32
        chosen, _ = traces.plot("--cpu", 99)
        assert len(chosen.parts(AREA, LANES_LEFT, 130, is_fill=True)) == 1


def test_refused():
    """what cannot be drawn: the reason, the status, and no file"""
    with Traces(apply=False) as traces:
        assert "not corrected" in traces.plot(status=4)[1]
        assert "name the log" in traces.plot(status=4, log=False)[1]
    with Traces() as traces:
        entry, _ = traces.moment()
        for words, status, said in (
                (("--zoom", "5..5"), 2, "ends before"), (("--zoom", "6..5"), 2, "ends before"),
                (("--zoom", "5"), 2, "START..END"), (("--zoom", "a..b"), 2, "no time"),
                (("--zoom", "-1..5"), 2, "no time"), (("--zoom", "99999999999..5"), 2, "ends"),
                (("--around", stamp(entry), "--width", "0us"), 2, "above 0"),
                (("--around", stamp(entry), "--width", "5"), 2, "unit"),
                (("--around", stamp(entry), "--width", "99999999999s"), 2, "unit"),
                (("--width", "5us"), 2, "--around"), (("--cpu", "9"), 2, "no such CPU"),
                (("--zoom", "1..5", "--around", "2"), 2, "give one"),
                (("--zoom", "1.5..2.5"), 4, "nothing is there"), (("--from", "x"), 2, "of a log")):
            assert said in traces.plot(*words, status=status)[1], (words, said)
        good = traces.host.read_bytes()
        trace_dat.TraceDat("mono", {0: [(entry, "tick", 7, 0)]}).write(traces.host)
        assert "no kvm_entry" in traces.plot(status=4)[1]
        traces.host.write_bytes(good[:-100])
        assert "truncated" in traces.plot(status=5)[1]
        traces.host.unlink()
        assert "cannot read" in traces.plot(status=5)[1]


def test_refused_logs():
    """logs and options that make no picture: the reason, the status, and no file"""
    with Folder() as folder:
        log = World(seconds=2).write_log(folder / "run.tcs")
        whole = log.read_text().splitlines(keepends=True)
        picture = folder / "drift.svg"
        for content, status, said in (("", 5, ""), (whole[0], 4, "no sample"),
                                      ("".join(whole[:2]), 4, "one sample"), ("x\n", 5, "")):
            log.write_text(content)
            assert said in run("plot", log, "-o", picture, status=status), (content[:50], said)
            assert not picture.exists()
        log.write_text("".join(whole))
        for words, status, said in (
                ((log,), 2, "--output"), ((log, "-o", folder / "x.pdf"), 2, ".svg or .png"),
                (("-o", picture), 2, "takes a log"), ((log, log, "-o", picture), 2, ""),
                ((log, "-o", picture, "--from", "guest:mono"), 2, "together"),
                ((log, "-o", picture, "--from", "mono", "--to", "mono"), 2, "guest:mono"),
                ((log, "-o", picture, "--from", "guest:x", "--to", "host:x"), 2, "no clock"),
                ((log, "-o", picture, "--from", "guest:tai", "--to", "host:tai"), 4, "no clock"),
                ((log, "-o", picture, "--from", "guest:x86-tsc@0", "--to", "host:mono"), 4,
                 "in ticks"), ((log, "-o", picture, "--zoom", "1..2"), 2, "--host"),
                ((log, "-o", picture, "--host", "x"), 2, "together"),
                ((log, "-o", folder / "none/x.svg"), 5, "; name a file in"),
                ((folder / "none.tcs", "-o", picture), 5, "; name a log that")):
            assert said in run("plot", *words, status=status), (words, said)
        assert [p.name for p in folder.iterdir()] == ["run.tcs"]


def test_replaced():
    """a picture of before is replaced as a whole, as SVG and as PNG; a trace is not"""
    with Folder() as folder:
        log = World(seconds=2).write_log(folder / "run.svg")
        for name, magic in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG")):
            picture = folder / name
            picture.write_bytes(b"before")
            run("plot", log, "-o", picture)
            assert picture.read_bytes().startswith(magic)
        before = log.read_bytes()
        assert "replace the log" in run("plot", log, "-o", log, status=2)
        assert log.read_bytes() == before


def test_hostile_names():
    """names that are XML of their own, and long: the picture is whole and says them"""
    def edit(lines):
        lines[0]["vm"] = "<b>&" + "v" * 400 
    picture, _ = drift(World(seconds=2), edit=edit)
    assert "<b>&v" in picture.title, picture.title


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
