#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`apply` on traces of a world whose truth is known, read back by trace-cmd.

Argument: the build directory.
"""
import bisect
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cases  # noqa: E402
import trace_dat  # noqa: E402
import trace_report  # noqa: E402
from traced_world import NAME, NEW_THREADS, SECOND, START, THREADS, World  # noqa: E402

PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"
ENVIRONMENT = dict(os.environ)


def run(*words, status=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60,
                          env=ENVIRONMENT)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


class Folder:
    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="tcs-apply-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def report(*paths):
    if not trace_report.TRACE_CMD:
        cases.skip("trace-cmd is not installed")
    return trace_report.read(*paths)


def judge(host, guest):
    """(judged, of those outside, not judged) of the guest's events, by trace-cmd."""
    return trace_report.judge(report(host, guest), guest.name, dict(enumerate(THREADS)))


def pairs_of(ratio):
    return [(ratio, h, g) for h in ("x86-tsc", "mono", "boot") for g in ("x86-tsc", "mono", "boot")]


def test_pairs():
    """any pair of clocks, scaled and not: every guest event is inside its window"""
    for ratio, host_clock, guest_clock in pairs_of(Fraction(1)) + pairs_of(Fraction(10, 21)) + \
            pairs_of(Fraction(30, 21)):
        with Folder() as folder:
            world = World(ratio=ratio, same=guest_clock != "x86-tsc" or ratio == 1)
            log = world.write_log(folder / "run.tcs")
            host, guest = world.write_traces(folder, host_clock, guest_clock)
            n, before, unknown = judge(host, guest)
            said = run("apply", log, "--guest", guest, "--host", host)
            seen, outside, left = judge(host, guest)
            assert before + unknown > seen // 2, (n, before, unknown)
            assert seen > 1000 and not outside and not left, \
                (ratio, host_clock, guest_clock, seen, outside, left, said)


class Case:
    """A world's log and traces in a folder of their own."""

    def __init__(self, host_clock="mono", guest_clock="mono", margin_ns=10000, world=None,
                 **options):
        self._folder = Folder()
        self.path = self._folder.__enter__()
        self.world = world or World()
        self.log = self.world.write_log(self.path / "run.tcs")
        self.host, self.guest = self.world.write_traces(self.path, host_clock, guest_clock,
                                                        margin_ns, **options)

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self._folder.__exit__(*details)

    def write_host_anew(self, clock, options):
        """The host's trace, its events as trace-cmd reports them, with options of the file."""
        found = [(row.stamp, row.event, row.pid, 0) for row in report(self.host)]
        trace_dat.TraceDat(clock, {0: found}, options=options).write(self.host)

    def apply(self, *words, status=0):
        return run("apply", self.log, "--guest", self.guest, "--host", self.host, *words,
                   status=status)

    def check(self, *words, status=0):
        return run("check", self.log, "--guest", self.guest, "--host", self.host, *words,
                   status=status)

    def options(self, name):
        return trace_dat.options(getattr(self, name).read_bytes())


def last_of(options, number):
    return [content for n, content in options if n == number][-1]


def test_options():
    """what is written: ids that match, threads, one table per CPU, scale 1"""
    with Case() as case:
        case.apply()
        host, guest = case.options("host"), case.options("guest")
        host_id, guest_id = (last_of(o, trace_dat.TRACEID) for o in (host, guest))
        shift = last_of(guest, trace_dat.TIME_SHIFT)
        assert shift[:8] == host_id and host_id != guest_id and any(guest_id)
        assert struct.unpack_from("<II", shift, 8) == (1, 2), shift[:16]
        at, counts = 16, []
        for _ in range(2):
            n, = struct.unpack_from("<I", shift, at)
            times = struct.unpack_from(f"<{n}Q", shift, at + 4)
            assert list(times) == sorted(set(times)) and n >= 2
            assert struct.unpack_from(f"<{n}Q", shift, at + 4 + 16 * n) == (1,) * n
            at += 4 + 24 * n
            counts.append(n)
        assert shift[at:] == bytes(8 * sum(counts)) and counts[0] == counts[1]
        name, rest = last_of(host, trace_dat.GUEST).split(b"\0", 1)
        assert name.decode() == NAME and rest[:8] == guest_id
        assert struct.unpack("<I4I", rest[8:]) == (2, 0, THREADS[0], 1, THREADS[1])


def points_of(case):
    """[(stamp, offset)] of the first CPU, as `apply` wrote them."""
    shift = last_of(case.options("guest"), trace_dat.TIME_SHIFT)
    n, = struct.unpack_from("<I", shift, 16)
    return list(zip(struct.unpack_from(f"<{n}Q", shift, 20),
                    struct.unpack_from(f"<{n}q", shift, 20 + 8 * n)))


def shown(points, stamp):
    """What a reader makes of a stamp, in C's arithmetic."""
    i = min(max(bisect.bisect(points, (stamp, 2**63)), 1), len(points) - 1)
    (start, offset), (end, next_offset) = points[i - 1:i + 1]
    product = (stamp - start) * (next_offset - offset) + (end - start) // 2
    product = (product + 2**63) % 2**64 - 2**63
    return stamp + offset + abs(product) // (end - start) * (1 if product >= 0 else -1)


def test_bound():
    """the bound that is told covers all that map says, not only where apply looked"""
    middle = START + 2 * SECOND + SECOND // 3
    for host_clock, guest_clock, options in (
            ("mono", "mono", {}), ("boot", "mono", {"ratio": Fraction(30, 21), "seed": 3}),
            ("mono", "x86-tsc", {"ratio": Fraction(10, 21)}), ("x86-tsc", "boot", {"seconds": 9}),
            ("x86-tsc", "mono", {"bend": (middle, 90)}), ("mono", "boot", {"bend": (middle, -300)}),
            ("x86-tsc", "x86-tsc", {"ratio": Fraction(10, 21)})):
        with Case(host_clock, guest_clock, world=World(**options)) as case:
            said = case.apply()
            bound = max(map(int, re.findall(r"within (\d+) \w+, half", said)))
            points = points_of(case)
            rng = random.Random(5)
            # The outermost only lead beyond the log.
            stamps = sorted(rng.randrange(points[1][0], points[-2][0]) for _ in range(3000))
            source = guest_clock + ("@0" if guest_clock == "x86-tsc" else "")
            said = run("map", case.log, f"guest:{source}", f"host:{host_clock}", *stamps)
            for stamp, line in zip(stamps, said.splitlines()):
                _, low, high = map(int, line.split()[:3])
                at = shown(points, stamp)
                assert max(at - low, high - at) <= bound, (options, stamp, at, low, high, bound)


def shift_by(data, error):
    """A corrected trace whose correction is off by so much, later if positive."""
    moved = bytearray(data)
    points = data.rindex(struct.pack("<I", 1) + struct.pack("<I", 2))  # flags, CPUs
    n, = struct.unpack_from("<I", data, points + 8)
    at = points + 8
    for _ in range(2):
        for i in range(n):
            where = at + 4 + 8 * n + 8 * i
            offset, = struct.unpack_from("<q", moved, where)
            struct.pack_into("<q", moved, where, offset + error)
        at += 4 + 24 * n
    return moved


def test_check():
    """check: nothing before, all well after, and an error is found that is larger than the slack"""
    with Case(margin_ns=5000) as case:
        said = case.check(status=4)
        # The cause is what stands last.
        assert said.endswith("guest.dat is not corrected; `trace-clock-sync apply` does that\n"), said
        case.apply()
        said = case.check()
        assert "0 not" in said and "not corrected" not in said, said
        assert said.endswith(f"good: {len(case.world.moments)} events, 0 outside: each is shown while its vCPU "
                             "was running\n"), said
        data = case.guest.read_bytes()
        for error, status in ((1000, 0), (-1000, 0), (9000, 4), (-9000, 4)):
            case.guest.write_bytes(shift_by(data, error))
            said = case.check(status=status)
            assert (status == 4) == ("outside: " in said.replace("0 outside: ", "")), said
            # The list, how many more there are, and then the summary.
            if status == 4:
                lines = said.splitlines()
                listed = [i for i, line in enumerate(lines) if line.startswith("outside: ")]
                assert listed == list(range(11)) and re.fullmatch(r"outside: \d+ more", lines[10]), said


def referee(world, error):
    """What there is to be said of events shown so late: [(after entry, before exit)] of those in
    their windows, and how far outside the others are."""
    inside, misses = [], []
    for (cpu, _), moment in world.moments.items():
        at, windows = moment + error, world.windows[cpu]
        i = bisect.bisect(windows, (at, 1 << 63)) - 1
        if i >= 0 and at <= windows[i][1]:
            inside.append((at - windows[i][0], windows[i][1] - at))
        elif 0 <= i < len(windows) - 1:
            misses.append(min(at - windows[i][1], windows[i + 1][0] - at))
    return inside, misses


def test_check_power():
    """check: what is closest to an entry and to an exit, and what the traces could have refuted"""
    verdicts = set()
    # Events are 10500 ticks or more inside; the error that is made is none, small, and too large.
    for bound in (0, 5000, 20000):
        world = World(bound=bound)
        with Case("x86-tsc", "x86-tsc", 5000, world=world) as case:
            assert f"within {bound} ticks, half of the time within {bound} ticks\n" in case.apply()
            data = case.guest.read_bytes()
            for error in (0, 8000, -8000, 12000, -12000, 17000, -17000):
                case.guest.write_bytes(shift_by(data, error))
                inside, misses = referee(world, error)
                said = case.check(status=4 if misses else 0)
                assert bool(misses) == (abs(error) > 10500), (error, misses)
                if misses:
                    beyond = sum(miss > bound for miss in misses)
                    assert f" {len(misses)} of {len(inside) + len(misses)} events" in said, said
                    assert f"by up to {max(misses)} ticks; {beyond} by more than the bound" in \
                        said, (bound, error, beyond, said)
                if not inside:
                    assert "tightest" not in said and error == -17000, (error, said)
                    continue
                told = re.search(r"tightest: (\d+) ticks after an entry \(.*\), (\d+) ticks before "
                                 r"an exit", said)
                assert tuple(map(int, told.groups())) == tuple(map(min, zip(*inside))), said
                early = sum(after < bound for after, _ in inside)
                late = sum(before < bound for _, before in inside)
                which = {0: "are too coarse to refute the bound",
                         1: "could have refuted one side of the bound",
                         2: "could have refuted the bound"}[(early > 0) + (late > 0)]
                verdicts.add((early > 0, late > 0))
                assert f"would have shown at {early} events where it is too early, at {late} " \
                    f"where too late: these traces {which}\n" in said, (bound, error, said)
    assert verdicts == {(a, b) for a in (False, True) for b in (False, True)}, verdicts


def test_check_ppc64():
    """check: ppc64 has other names for entry and exit; without any it says what to record"""
    for crossings, status in ((("kvm_guest_enter", "kvm_guest_exit"), 0),
                              (("tick", "tick"), 4)):
        with Case(crossings=crossings) as case:
            case.apply()
            said = case.check(status=status)
            assert ("0 not: " in said) if status == 0 else ("kvm_hv:" in said), said


def test_again():
    """applied twice, and over trace-cmd's own correction: the last one counts"""
    theirs = struct.pack("<QIIIqqqIqqq", 7, 0, 2, 1, 0, 10**15, 1, 1, 0, 10**15, 1) + bytes(16)
    with Case(options=trace_dat.option("<", trace_dat.TIME_SHIFT, theirs) +
              trace_dat.option("<", trace_dat.TRACEID, struct.pack("<Q", 4711))) as case:
        assert judge(case.host, case.guest)[0] == 0
        for _ in range(3):
            assert "corrected before" in case.apply()
            assert judge(case.host, case.guest)[1:] == (0, 0)
            case.check()
        ids = [c for n, c in case.options("guest") if n == trace_dat.TRACEID]
        assert ids == [struct.pack("<Q", 4711)], ids


def test_units():
    """tsc2nsec, --date and offsets: what readers do to the host's stamps they do to the guest's"""
    factor = trace_dat.option("<", trace_dat.TSC2NSEC, struct.pack("<IIQ", 1022611261, 31, 0))
    date = trace_dat.option("<", trace_dat.DATE, b"0x123456789\0") + \
        trace_dat.option("<", trace_dat.OFFSET, b"-5000000\0")
    for clock in ("x86-tsc", "mono"):
        for ours in (b"", factor, date):
            for of_host in (b"", factor, date, factor + date):
                with Case("x86-tsc", clock, world=World(ratio=Fraction(10, 21)),
                          options=ours) as case:
                    case.write_host_anew("x86-tsc", of_host)
                    case.apply()
                    seen = judge(case.host, case.guest)
                    assert seen[0] > 1000 and seen[1:] == (0, 0), (clock, ours, of_host, seen)
                    said = case.check()
                    assert "judged, 0 not" in said, said


def test_refused():
    """files that cannot be extended are told apart, and stay as they are"""
    with Case() as case:
        good = case.guest.read_bytes()
        header_link = good.index(b"none\0\0") + 6
        six = good.replace(b"tracing7", b"tracing6", 1)
        unfinished = good[:header_link] + bytes(8) + good[header_link + 8:]
        circle = bytearray(good)
        circle[-8:] = good[header_link:header_link + 8]
        for content, status, words in (
                (six, 5, "trace-cmd convert"), (good[:-5000], 5, "truncated"),
                (good[:-3], 5, "truncated"), (b"not a trace", 5, "no trace.dat"), (b"", 5, "no tr"),
                (unfinished, 5, "not finished"), (bytes(circle), 5, "circle")):
            case.guest.write_bytes(content)
            before = case.host.read_bytes()
            said = case.apply(status=status)
            assert words in said, (words, said)
            assert case.guest.read_bytes() == content and case.host.read_bytes() == before
    for clock, words in (("local", "--guest-clock"), ("counter", "no time"), ("uptime", "coarse")):
        with Case(guest_clock="mono") as case:
            before = case.guest.read_bytes()
            assert words in case.apply("--guest-clock", clock, status=4)
            assert case.guest.read_bytes() == before


def test_named():
    """a clock that there is not is a wrong usage, one that the log lacks is refused; what to name is told"""
    with Case() as case:
        before = case.guest.read_bytes(), case.host.read_bytes()
        for option in ("--guest-clock", "--host-clock"):
            for name, status in (("moon", 2), ("tai", 4)):
                for verb in (case.apply, case.check):
                    said = verb(option, name, status=status)
                    assert name in said and "mono_raw" in said, said
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        none = case.path / "none"
        for verb in ("apply", "check"):
            for words, what in (((none, "--guest", case.guest, "--host", case.host), "a log that"),
                                ((case.log, "--guest", none, "--host", case.host), "a trace.dat"),
                                ((case.log, "--guest", case.guest, "--host", none), "a trace.dat"),
                                ((case.log, "--guest", case.guest, "--host", case.log),
                                 "a trace.dat")):
                said = run(verb, *words, status=5)
                assert f"; name {what}" in said, (verb, said)
        said = case.apply("-o", none / "new.dat", status=5)
        assert "; name a file in a directory that exists" in said, said
    # A file of an ftrace to come: nobody named its clock here.
    with Case() as case:
        content = case.guest.read_bytes()
        case.guest.write_bytes(content.replace(b"\0mono\0", b"\0moon\0"))
        assert "no clock 'guest:moon'" in case.apply(status=4)


def test_clock_named():
    """a clock that is named against what the file says is told; one that says the same is not"""
    with Case() as case:
        for side in ("guest", "host"):
            words = f"--{side}-clock", "boot"
            said = case.apply("-o", case.path / f"{side}-new.dat", *words)
            assert f"{side}.dat says that it was recorded with mono; {' '.join(words)} takes its place" in said, said
        assert "says that" not in case.apply("--guest-clock", "mono", "--host-clock", "mono")
    with Case("x86-tsc", "x86-tsc") as case:
        case.write_host_anew("tsc2nsec", b"")
        assert "says that" not in case.apply("--host-clock", "x86-tsc")


def alike():
    """A world whose two sides' clocks show like times: a file's stamps do not tell whose it is."""
    world = World()
    base, _ = world.host["mono"]
    world.guest["mono"] = (base + 5, world.guest["mono"][1])
    return world


def test_swapped():
    """the host's trace as --guest: refused by what is in it, and all stays as it is"""
    with Case(world=alike()) as case:
        before = case.guest.read_bytes(), case.host.read_bytes()
        new = case.path / "new.dat"
        for words in (("--host", case.guest), ("--host", case.guest, "-o", new), ("--host-clock", "mono")):
            said = run("apply", case.log, "--guest", case.host, *words, status=4)
            assert f"{case.host} is the host's" in said and "swapped?" in said, said
            assert "stays as it is" not in said, said
        assert before == (case.guest.read_bytes(), case.host.read_bytes()) and not new.exists()
        case.apply()
        assert judge(case.host, case.guest)[1:] == (0, 0)


def test_swapped_ppc64():
    """the host's trace as --guest: so with ppc64's names of entry and exit"""
    with Case(world=alike(), crossings=("kvm_guest_enter", "kvm_guest_exit")) as case:
        said = run("apply", case.log, "--guest", case.host, "--host", case.guest, status=4)
        assert "swapped?" in said, said


def test_swapped_before():
    """a host's trace that was corrected as a guest's is refused, and both files stay as they are"""
    with Case() as case:
        # Where the two sides' clocks show like times, only the file itself can tell.
        shift = struct.pack("<QIIIqqq", 7, 0, 1, 1, 0, 10**15, 1) + bytes(8)
        case.write_host_anew("mono", trace_dat.option("<", trace_dat.TIME_SHIFT, shift))
        before = case.guest.read_bytes(), case.host.read_bytes()
        for words in ((), ("-o", case.path / "new.dat")):
            assert "swapped" in case.apply(*words, status=4)
        assert "swapped" in case.check(status=4)
        picture = case.path / "timeline.svg"
        assert "swapped" in run("plot", case.log, "--guest", case.guest, "--host", case.host,
                                "-o", picture, status=4)
        assert not picture.exists()
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        assert not (case.path / "new.dat").exists()


def test_big_endian():
    """a big-endian guest's file, as another architecture writes it"""
    with Case(order=">") as case:
        case.apply()
        assert judge(case.host, case.guest)[1:] == (0, 0)
        case.check()


def test_copy():
    """-o leaves both files as they are; nothing is overwritten"""
    with Case() as case:
        before = case.guest.read_bytes(), case.host.read_bytes()
        new, new_host = case.path / "new.dat", case.path / "new-host.dat"
        assert "--host-output" in case.apply("-o", new)
        assert judge(case.host, new)[1:] == (0, 0)
        assert "exists" in case.apply("-o", new, status=5)
        new.unlink()
        case.apply("-o", new, "--host-output", new_host)
        assert judge(new_host, new)[1:] == (0, 0)
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        left = sorted(p.name for p in case.path.iterdir())
        assert left == ["guest.dat", "host.dat", "new-host.dat", "new.dat", "run.tcs"], left


def pad_to_sector(position):
    """How much padding puts DONE's eight bytes at a position in their sector."""
    with Case(world=World(seconds=2)) as case:
        done_at = len(case.guest.read_bytes()) - 8
    return (position - done_at) % 512


def test_killed():
    """killed at any byte: the file is as it was or corrected, and can be corrected again"""
    for pad in (0, 100, pad_to_sector(508)):
        with Case(pad_options=pad, world=World(seconds=2)) as case:
            old = case.guest.read_bytes()
            rows = report(case.guest)
            case.apply()
            new = case.guest.read_bytes()
            changed = [i for i in range(len(old)) if old[i] != new[i]]
            assert changed and changed[-1] // 512 == changed[0] // 512, changed
            for cut in (0, 1, 15, 16, 100, len(new) - len(old) - 1, len(new) - len(old)):
                case.guest.write_bytes(old + new[len(old):len(old) + cut])
                assert report(case.guest) == rows, (pad, cut)
                case.apply()
                assert judge(case.host, case.guest)[1:] == (0, 0), (pad, cut)


def test_link_in_one_sector():
    """the eight bytes that link what was added never lie in two sectors"""
    for position in (0, 1, 503, 504, 505, 508, 511):
        with Case(pad_options=pad_to_sector(position), world=World(seconds=2)) as case:
            old = case.guest.read_bytes()
            case.apply()
            new = case.guest.read_bytes()
            changed = [i for i in range(len(old)) if old[i] != new[i]]
            assert changed[0] // 512 == changed[-1] // 512, (position, changed)
            # The last DONE, or the header's link around the only section.
            assert (changed[0] < 100) == (position > 504), (position, changed)
            found = [n for n, _ in case.options("guest")]
            assert found.count(trace_dat.BUFFER) == 1, found


def test_backward():
    """a guest's counter that was set back in the middle: refused, and why"""
    world = World(jump=(START + 2 * SECOND, -SECOND))
    with Case("mono", "mono") as case:
        case.world = world
        world.write_log(case.log)
        assert "set back" in case.apply("--guest-clock", "x86-tsc", status=4)


def test_epochs():
    """a guest's counter that jumps ahead in the middle: both sides are right, the gap is told"""
    world = World(jump=(START + 2 * SECOND + SECOND // 4, 5 * SECOND))
    with Case("mono", "x86-tsc", world=world) as case:
        assert "unknown" in case.apply()
        n, missed, _ = judge(case.host, case.guest)
        # Only what was stamped between the samples around the jump.
        assert n > 1000 and 0 < missed < n // 4, (n, missed)


def leave(log, left, silent):
    """Edits a log: the guest is gone from `left` on, and was not heard from `silent` seconds before."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    kept, last = [lines[0]], None
    for line in lines[1:]:
        at = line["window"][0]
        if at >= left:
            line["guest"] = None
            line["qmp-before"]["running"] = line["qmp-after"]["running"] = False
        elif at >= left - silent * SECOND:
            last = line
            continue
        if last and at >= left:
            kept.append(last)
            last = None
        kept.append(line)
    log.write_text("".join(json.dumps(line) + "\n" for line in kept))


def test_left():
    """a guest that moved away: its last readings are far apart, and nothing is told of what follows"""
    with Case("x86-tsc", "mono", world=World(seconds=6)) as case:
        left = START + 4 * SECOND + 6 * SECOND // 10
        leave(case.log, left, 1.5)
        said = case.apply()
        within, half = map(int, re.search(r"within (\d+) ticks, half of the time within (\d+)",
                                          said).groups())
        # Of the last interval little is promised; of the others no less than before.
        assert half < 20000 < 1000000 < within, said
        last = case.world.stamp("guest", "mono", 0, left + SECOND // 2)
        assert points_of(case)[-2][0] < last, said  # behind it there is but a guide
        n, missed, _ = judge(case.host, case.guest)
        assert n > 1000 and missed == 0, (n, missed)


def test_local():
    """local, a clock of its own on each CPU: each by its own table"""
    with Case("mono", "local", world=World(local_ns=(0, 987_654))) as case:
        for name in ("local", "guest:local"):
            said = run("map", case.log, name, "host:mono", 1, status=4 if ":" in name else 2)
            assert "did you mean guest:local@0?" in said, said
        case.apply()
        seen, outside, left = judge(case.host, case.guest)
        assert seen > 1000 and not outside and not left, (seen, outside, left)
        case.check()
    world = World(local_ns=(0, 987_654))
    with Case("mono", "local", world=world) as case:
        world.local_ns = (0, 0)  # the log of a guest whose CPUs agree
        world.write_log(case.log)
        case.apply()
        assert judge(case.host, case.guest)[1] > 100
        assert "outside" in case.check(status=4)


MIDDLE = START + 2 * SECOND + SECOND // 4


def test_beyond():
    """before the log and after it: nothing is claimed, and the rate is a long stretch's"""
    for host_clock, guest_clock in (("mono", "mono"), ("mono", "x86-tsc"), ("x86-tsc", "boot")):
        with Case(host_clock, guest_clock, world=World(seconds=9)) as case:
            log = case.log.read_text().splitlines(keepends=True)
            case.log.write_text("".join(log[:1] + log[5:-5]))
            ends = [json.loads(log[i])["window"][0] for i in (5, -6)]
            case.apply()
            points = points_of(case)

            def error(at):
                truth = case.world.stamp("host", host_clock, 0, at)
                return shown(points, case.world.stamp("guest", guest_clock, 0, at)) - truth

            # The outermost half seconds have one neighbour only, and an error; it grows by 20 ppm
            # at most, and not by hundreds as along a segment of one sample.
            for end, way in ((ends[0], -1), (ends[1] + 99000, 1)):
                near, far = error(end + way * SECOND // 1000), error(end + way * SECOND // 2)
                assert abs(near - far) < 10**9 // 2 * 20e-6, (host_clock, guest_clock, near, far)
            # Nor does a reader's arithmetic overflow where a trace goes on long after its log.
            hour = error(ends[1] + 3600 * SECOND)
            assert abs(hour) < 3600 * 10**9 * 50e-6, (host_clock, guest_clock, hour)


def test_reset():
    """a log over a reset: which boot a trace is of must be said, and then each is right"""
    for since in (None, START + 5 * SECOND // 2):
        for clock in ("mono", "x86-tsc"):
            with Case("mono", clock, 20000, World(reset=MIDDLE), since=since) as case:
                before = case.guest.read_bytes(), case.host.read_bytes()
                said = case.apply(status=4)
                assert "--boot" in said and "1 (b1" in said and "2 (b2" in said, said
                wrong, right = ("2", "b1") if since is None else ("b1", "2")
                assert "not of one time" in case.apply("--boot", wrong, status=4)
                assert "--boot b3" in case.apply("--boot", "b3", status=2)
                assert before == (case.guest.read_bytes(), case.host.read_bytes())
                case.apply("--boot", right)
                seen, outside, _ = judge(case.host, case.guest)
                assert seen > 300 and not outside, (since, clock, seen, outside)
                case.check("--boot", right)
                assert "--boot" in case.check(status=4)


def test_no_events():
    """what trace-cmd leaves of a guest that was reset: a file with no CPU in it"""
    with Case() as case:
        trace_dat.TraceDat("mono", {}).write(case.guest)
        before = case.guest.read_bytes(), case.host.read_bytes()
        assert "no events" in case.apply(status=4)
        assert before == (case.guest.read_bytes(), case.host.read_bytes())


def test_not_of_one_time():
    """a trace of before the log, or of another VM: refused, and nothing is written"""
    with Case() as case:
        before = case.guest.read_bytes(), case.host.read_bytes()
        far = World()
        far.guest = {name: (base + 10**12, rate) for name, (base, rate) in far.guest.items()}
        far.write_log(case.log)
        said = case.apply(status=4)
        assert "not of one time" in said and "another VM" in said and "--boot" not in said, said
        assert before == (case.guest.read_bytes(), case.host.read_bytes())


def log_of_another(case, accel="kvm"):
    """The log of a VM with other threads, whose clocks show the same."""
    text = case.log.read_text().replace('"accel": "kvm"', f'"accel": "{accel}"')
    for thread in THREADS:
        text = text.replace(f'"thread-id": {thread}', f'"thread-id": {thread + 500}')
    case.log.write_text(text)


def test_another_vm():
    """a log of another VM: refused by the threads in the host's trace, and a good correction stays"""
    with Case() as case:
        convert(case.guest, "--compression", "zstd")
        case.apply()
        before = case.guest.read_bytes(), case.host.read_bytes()
        log_of_another(case)
        said = case.apply(status=4)
        for words in ("of threads 100, 101, ", f"none of VM {NAME}'s (600, 601)", "log of this VM?",
                      "--host-clock mono"):
            assert words in said, said
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        assert "of this VM" in case.check(status=4)
        # What it says to do where the numbers differ for a good reason.
        run("apply", case.log, "--guest", case.guest, "--host-clock", "mono")


def test_no_entries():
    """nothing is said of threads where the host's trace has no entries, or the VM makes none"""
    for crossings, accel in ((("tick", "tick"), "kvm"), (("kvm_entry", "kvm_exit"), "tcg")):
        with Case(crossings=crossings) as case:
            log_of_another(case, accel)
            said = case.apply()
            assert "threads" not in said, said


def test_late():
    """a VM that idles while another one's thread enters and leaves many thousand times: no refusal"""
    with Case() as case:
        rows = [(row.stamp, row.event, row.pid, 0) for row in report(case.host)]
        first = rows[0][0] - 10**9
        others = [(first + i * 1000, ("kvm_entry", "kvm_exit")[i % 2], 900, 0) for i in range(100000)]
        trace_dat.TraceDat("mono", {0: others + rows}).write(case.host)
        assert "threads" not in case.apply()
        case.check()


def convert(path, *words):
    """The file, as trace-cmd writes it anew."""
    if not trace_report.TRACE_CMD:
        cases.skip("trace-cmd is not installed")
    new = path.with_name("converted.dat")
    subprocess.run([trace_report.TRACE_CMD, "convert", *words, "-i", path, "-o", new], check=True,
                   capture_output=True, timeout=60)
    new.replace(path)


def far_log(case, seconds=1000):
    """The log of a guest whose clocks were ahead of the trace's by so much."""
    far = World()
    far.guest = {name: (base + seconds * 10**9, rate) for name, (base, rate) in far.guest.items()}
    far.offsets = [offset + seconds * SECOND for offset in far.offsets]
    far.write_log(case.log)


def test_compressed():
    """traces that trace-cmd compressed: corrected like others, and refused like others"""
    factor = trace_dat.option("<", trace_dat.TSC2NSEC, struct.pack("<IIQ", 1022611261, 31, 0))
    date = trace_dat.option("<", trace_dat.OFFSET, b"-5000000\0")
    for clock, options in (("mono", b""), ("x86-tsc", b""), ("x86-tsc", factor + date)):
        with Case(guest_clock=clock, options=options) as case:
            log = case.log.read_text()
            last = [max(row.stamp for row in report(case.guest) if row.cpu == cpu) for cpu in (0, 1)]
            convert(case.guest, "--compression", "zstd")
            before = case.guest.read_bytes(), case.host.read_bytes()
            for seconds in (1000, -5):
                far_log(case, seconds)
                said = case.apply(status=4)
                assert "not of one time" in said and "of CPU 0" in said, said
                # How far its events go is known where all of them were before the log.
                found = re.search(r"stamped from (\d+) (on|to (\d+))", said)
                assert (found.group(2) == "on") == (seconds < 0), said
                if seconds > 0 and not options:
                    assert int(found.group(3)) == last[0], (said, last)
                if options:
                    # What readers show is no raw stamp, and it is raw ones that are told.
                    assert abs(int(found.group(1)) - case.world.stamp(
                        "guest", clock, 0, case.world.moments[0, 0])) <= 3, said
                assert before == (case.guest.read_bytes(), case.host.read_bytes())
            # One that begins before its log, and ends in it.
            lines = log.splitlines(keepends=True)
            case.log.write_text("".join(lines[:1] + lines[5:]))
            assert "warning" not in case.apply()
            seen, outside, _ = judge(case.host, case.guest)
            assert seen > 1000 and not outside, (clock, options, seen, outside)


def test_compressed_unknown():
    """compressed, and corrected before or damaged: what was not checked is told, and nothing dies"""
    with Case() as case:
        convert(case.guest, "--compression", "zstd")
        case.apply()
        assert "corrected before. `trace-clock-sync check`" in case.apply()
        assert judge(case.host, case.guest)[1:] == (0, 0)
        far_log(case)
        assert "was not checked" in case.apply()
        assert "nothing could be judged" in case.check(status=4)
    for damage in (b"\xff", b"\0"):
        with Case() as case:
            convert(case.guest, "--compression", "zstd")
            content = bytearray(case.guest.read_bytes())
            buffer, = [c for n, c in trace_dat.options(content) if n == trace_dat.BUFFER]
            count, = struct.unpack_from("<I", buffer, buffer.index(b"mono\0") + 9)
            for i in range(count):
                _, at, size = struct.unpack_from("<IQQ", buffer, buffer.index(b"mono\0") + 13 + 20 * i)
                content[at:at + size] = damage * size
            case.guest.write_bytes(content)
            said = case.apply()
            assert "libtracecmd cannot read" in said, said


HOW_TO = HERE.parent.parent / "docs/howto-trace-cmd.md"


def test_host_knows():
    """that the host's trace does not know the threads is told where it is so, and only there"""
    with Case() as case:
        def copy(name):
            return run("apply", case.log, "--guest", case.guest, "--host", case.host, "-o", case.path / name)
        assert "will not know the vCPUs' threads" in copy("before.dat")
        case.apply()
        assert "will not know" not in copy("after.dat")


def test_version_6():
    """a version 6 file: refused, and what the how-to says makes one of it that is corrected"""
    with Case() as case:
        convert(case.guest, "--file-version", "6")
        before = case.guest.read_bytes(), case.host.read_bytes()
        said = case.apply(status=5)
        command = "trace-cmd convert --file-version 7 -i {} -o {}"
        assert command.format("OLD", "NEW") in said, said
        assert f"`{command.format('old.dat', 'new.dat')}`" in HOW_TO.read_text(encoding="utf-8")
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        old = case.guest.rename(case.path / "old.dat")
        subprocess.run(command.format(old, case.guest).split(), check=True, capture_output=True,
                       timeout=60)
        case.apply()
        seen, outside, left = judge(case.host, case.guest)
        assert seen > 1000 and not outside and not left, (seen, outside, left)


def test_new_threads():
    """a QEMU started anew while the log goes on: each stretch by the thread that ran it then"""
    with Case(world=World(restart=START + SECOND + SECOND // 4)) as case:
        assert "202" in case.apply()
        said = case.check()
        judged, unknown = map(int, re.search(r"(\d+) events judged, (\d+) not", said).groups())
        # What is between the last exit of a thread and the first entry of the next: nothing.
        assert judged > 1000 and unknown == 0, said
        guest = last_of(case.options("host"), trace_dat.GUEST).split(b"\0", 1)[1]
        assert struct.unpack("<I4I", guest[8:]) == (2, 0, NEW_THREADS[0], 1, NEW_THREADS[1])
        rows = [row.stamp for row in report(case.guest)]
        assert rows
        said = run("plot", case.log, "--guest", case.guest, "--host", case.host, "-o",
                   case.path / "timeline.svg")
        assert " 0 of them while their vCPU did not run" in said, said


def test_standard_output():
    """what cannot be printed is an error, also after the files were written"""
    with Case() as case, open("/dev/full", "w", encoding="utf-8") as full:
        for verb in ("apply", "check"):
            done = subprocess.run([PROGRAM, verb, case.log, "--guest", case.guest, "--host",
                                   case.host], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60, env=ENVIRONMENT)
            assert done.returncode == 5 and "standard output" in done.stderr, done
        assert judge(case.host, case.guest)[1:] == (0, 0)


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
