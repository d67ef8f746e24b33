#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`convert`: every style, compared with what `map` says of each time; hostile text; streams that end in
every way. Argument: the build directory. TCS_TEST_SEED repeats a random case."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import cases  # noqa: E402
from trace_report import TRACE_CMD  # noqa: E402
from traced_world import SECOND, START, World  # noqa: E402

PROGRAM = Path(sys.argv[1]) / "collector/trace-clock-sync"
USAGE, REFUSED, FILE = 2, 4, 5
# Of ticks trace-cmd leaves no blank.
TIME = re.compile(r".*-\d+ +\[(\d+)\] *([\d.]+): ")
TIMES = ("mono", "mono_raw", "boot")


class Case:
    """A world's log in a folder of its own."""

    def __init__(self, **options):
        self.folder = Path(tempfile.mkdtemp(prefix="tcs-convert-"))
        self.world = World(**options)
        self.log = self.world.write_log(self.folder / "run.tcs")
        self.err = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def command(self, source="guest:mono", target="host:boot", *words):
        return [PROGRAM, "convert", self.log, "--from", source, "--to", target, *words]

    def convert(self, text, source="guest:mono", target="host:boot", *words, status=0):
        done = subprocess.run(self.command(source, target, *words), input=text,
                              capture_output=True, timeout=60, check=False)
        self.err = done.stderr.decode()
        assert done.returncode == status, (done.returncode, done.stdout[:300], self.err)
        return done.stdout

    def map(self, source, target, values):
        """map's value for each, or None."""
        done = subprocess.run([PROGRAM, "map", self.log, source, target, *map(str, values)],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, REFUSED), done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        assert len(rows) == len(values), done.stderr
        return [None if row[0] == "unknown" else int(row[0]) for row in rows]

    def moments(self, n, rng, beyond=0.1):
        """Host ticks in the recording, at its samples, and a little beyond its ends."""
        ticks = [START + int((rng.random() * (self.world.seconds + 2 * beyond) - beyond) * SECOND)
                 for _ in range(n)]
        ticks += [START + int(s / 2 * SECOND) + d for s in range(2 * self.world.seconds)
                  for d in (-1, 0, 300, 60000)]
        return ticks


def seconds(ns, decimals=9):
    step = 10 ** (9 - decimals)
    text = f"{ns // step:0{decimals + 1}d}"
    return f"{text[:-decimals]}.{text[-decimals:]}"


def rounded(ns, decimals):
    """seconds() of the nearest step, half of one upward."""
    step = 10 ** (9 - decimals)
    return seconds((ns + step // 2) // step * step, decimals)


LINES = {
    "ftrace": lambda t, cpu: f"          <idle>-0     [{cpu:03d}] d..2.  {t}: sched_switch: a ==> b",
    "perf": lambda t, cpu: f"swapper     0/0 [{cpu:03d}] {t}:          1 cycles:  main (/bin/x)",
    "dmesg": lambda t, cpu: f"[ {t}] usb 1-1: new device [1.5]",
}


def test_styles():
    """every style and number of decimals: each time is what map says, the rest stays"""
    rng = random.Random(1)
    with Case() as case:
        moments = case.moments(200, rng)
        for style, make in LINES.items():
            for decimals in (9, 6, 3):
                stamps = [case.world.stamp("guest", "mono", 0, m) // 10 ** (9 - decimals) *
                          10 ** (9 - decimals) for m in moments]
                text = "".join(make(seconds(s, decimals), i % 4) + "\n"
                               for i, s in enumerate(stamps))
                out = case.convert(text.encode(), "guest:mono", "host:boot").decode().splitlines()
                assert f"{style} style" in case.err, case.err
                expected = case.map("guest:mono", "host:boot", stamps)
                for i, (line, value) in enumerate(zip(out, expected)):
                    right = make(rounded(value, decimals), i % 4)
                    # How many blanks there are is another test's.
                    line, right = (x.replace("[ ", "[").split() for x in (line, right))
                    assert line == right, (line, right)
                assert len(out) == len(stamps)


def test_bpftrace():
    """bpftrace's nanoseconds, in the first column and in others"""
    rng = random.Random(2)
    with Case() as case:
        stamps = [case.world.stamp("guest", "boot", 0, m) for m in case.moments(200, rng)]
        expected = case.map("guest:boot", "host:mono", stamps)
        text = "Attaching 2 probes...\n" + "".join(f"{s} bash {i}\n" for i, s in enumerate(stamps))
        out = case.convert(text.encode(), "guest:boot", "host:mono").decode().splitlines()
        assert out == ["Attaching 2 probes..."] + \
            [f"{v} bash {i}" for i, v in enumerate(expected)]
        text = "".join(f"bash,{i} ({s}) x\n" for i, s in enumerate(stamps))
        for words in (("--field", "2"), ("--regex", r"\((\d+)\)"), ("--regex", "[(]([0-9]+)[)]")):
            out = case.convert(text.encode(), "guest:boot", "host:mono", *words).decode()
            assert [line.split()[1].strip("()") for line in out.splitlines()] == \
                [str(v) for v in expected]


def test_units():
    """every unit, with and without decimals"""
    with Case() as case:
        ns = case.world.stamp("guest", "mono", 0, START + SECOND) // 10**7 * 10**7
        value, = case.map("guest:mono", "host:mono", [ns])
        for unit, digits, decimals in (("ns", 0, 0), ("us", 3, 3), ("us", 3, 0), ("ms", 6, 6),
                                       ("ms", 6, 2), ("cs", 7, 0), ("s", 9, 9), ("s", 9, 1)):
            step = 10 ** (digits - decimals)

            def write(v):
                whole = str(v // step)
                return whole if not decimals else f"{whole[:-decimals]}.{whole[-decimals:]}"
            near, = case.map("guest:mono", "host:mono", [ns // step * step])
            out = case.convert(f"t={write(ns)}\n".encode(), "guest:mono", "host:mono", "--regex",
                               r"t=([\d.]+)", "--unit", unit)
            assert out == f"t={write(near + step // 2)}\n".encode(), (unit, decimals, out)
        assert value
        # A part of a nanosecond, and more than 64 bits, are no times.
        for text in (b"t=5000000000.5\n", b"t=99999999999999999999\n", b"t=1.0000000001\n"):
            out = case.convert(text, "guest:mono", "host:mono", "--regex", r"t=([\d.]+)", "--unit",
                               "ns", status=REFUSED)
            assert out == b"t=?\n", out


def test_counters():
    """ticks of each vCPU by the line's own CPU, from and to times"""
    rng = random.Random(3)
    with Case(ratio=Fraction(10, 21), same=False) as case:
        moments = case.moments(200, rng)
        cpus = [rng.randrange(2) for _ in moments]
        stamps = [case.world.stamp("guest", "x86-tsc", c, m) for c, m in zip(cpus, moments)]
        text = "".join(f" t-1 [{c:03d}] {s}: tick\n" for c, s in zip(cpus, stamps)).encode()
        by_cpu = {c: case.map(f"guest:x86-tsc@{c}", "host:mono", stamps) for c in (0, 1)}
        out = case.convert(text, "guest:x86-tsc", "host:mono").decode()
        for line, i in zip(out.splitlines(), range(len(stamps))):
            assert line.split()[2] == seconds(by_cpu[cpus[i]][i]) + ":", (line, i)
        by_cpu = {c: case.map(f"guest:x86-tsc@{c}", "host:x86-tsc", stamps) for c in (0, 1)}
        out = case.convert(text, "guest:x86-tsc", "host:x86-tsc").decode()
        for i, (line, m) in enumerate(zip(out.splitlines(), moments)):
            ticks = int(line.split()[2].rstrip(":"))
            assert ticks == by_cpu[cpus[i]][i] and abs(ticks - m) <= 3, (line, m)
        # And back to ticks, of the CPU that the line names.
        stamps = [case.world.stamp("guest", "mono", 0, m) for m in moments]
        text = "".join(f" t-1 [{c:03d}] {seconds(s)}: tick\n" for c, s in zip(cpus, stamps))
        out = case.convert(text.encode(), "guest:mono", "guest:x86-tsc").decode()
        by_cpu = {c: case.map("guest:mono", f"guest:x86-tsc@{c}", stamps) for c in (0, 1)}
        for i, line in enumerate(out.splitlines()):
            assert line.split()[2] == f"{by_cpu[cpus[i]][i]}:", line
        # A CPU that the guest has not, a line without one, and seconds that are no ticks.
        for line, why in ((b" t-1 [007] 12345678901: x", "@7"), (b"12345678901 x", "names none"),
                          (b" t-1 [000] 12.5: x", "whole numbers")):
            out = case.convert(line, "guest:x86-tsc", "host:mono", status=REFUSED)
            assert b"?" in out and why in case.err, (out, case.err)
        # The expression may say where the CPU is.
        at = case.world.stamp("guest", "x86-tsc", 1, START)
        value, = case.map("guest:x86-tsc@1", "host:mono", [at])
        out = case.convert(f"1;{at}\n".encode(), "guest:x86-tsc", "host:mono", "--regex",
                           r"^(?<cpu>\d+);(\d+)$")
        assert out == f"1;{value}\n".encode(), out
        case.convert(b"", "host:mono", "guest:x86-tsc", status=USAGE)
        assert "guest:x86-tsc@0" in case.err, case.err


def test_gap():
    """times in a gap are marked, counted and told; all others are as map says"""
    rng = random.Random(4)
    with Case(jump=(START + 2 * SECOND + SECOND // 5, 10**12)) as case:
        moments = sorted(case.moments(300, rng))
        stamps = [case.world.stamp("guest", "x86-tsc", 0, m) for m in moments]
        expected = case.map("guest:x86-tsc@0", "host:mono", stamps)
        text = "".join(f"  t-1 [000] {s:20d}: x\n" for s in stamps).encode()
        out = case.convert(text, "guest:x86-tsc@0", "host:mono", status=REFUSED).decode()
        unknown = [i for i, v in enumerate(expected) if v is None]
        assert 0 < len(unknown) < len(stamps) // 2, len(unknown)
        for line, value in zip(out.splitlines(), expected):
            shown = seconds(value) if value is not None else "?"
            assert line == f"  t-1 [000] {shown:>20}: x", (line, shown)
        assert f"{len(unknown)} times could not" in case.err and "'?'" in case.err
        assert f"line {unknown[0] + 1}: unknown:" in case.err, case.err
        assert f" {len(stamps) - len(unknown)} lines converted, 0 passed" in case.err


def test_trace_cmd():
    """what trace-cmd itself prints of a guest's trace: microseconds, nanoseconds and ticks"""
    if not TRACE_CMD:
        cases.skip("trace-cmd is not installed")
    for clock, words in (("mono", ()), ("mono", ("-t",)), ("x86-tsc", ())):
        with Case(same=False) as case:
            _, guest = case.world.write_traces(case.folder, "mono", clock)
            text = subprocess.run([TRACE_CMD, "report", *words, "-i", guest], check=True,
                                  capture_output=True, timeout=60).stdout
            out = case.convert(text, f"guest:{clock}", "host:mono")
            rows = [[TIME.match(line) for line in x.decode().splitlines()] for x in (text, out)]
            assert sum(map(bool, rows[0])) > 1000 and len(rows[0]) == len(rows[1]), case.err
            for cpu in ("000", "001"):
                pairs = [(a[2], b[2]) for a, b in zip(*rows) if a and a[1] == cpu]
                source = f"guest:{clock}@{int(cpu)}" if clock == "x86-tsc" else f"guest:{clock}"
                decimals = len(pairs[0][0].partition(".")[2])
                step = 10 ** (9 - decimals) if decimals else 1
                stamps = [int(a.replace(".", "")) * step for a, _ in pairs]
                for (a, b), value in zip(pairs, case.map(source, "host:mono", stamps)):
                    assert b == rounded(value, decimals or 9), (a, b, value)


def test_corrected():
    """a trace that apply corrected: --raw-ts prints the times as they were before, as howto-text.md says"""
    if not TRACE_CMD:
        cases.skip("trace-cmd is not installed")
    with Case() as case:
        host, guest = case.world.write_traces(case.folder, "mono", "mono")

        def report(*words):
            """(its text, the times in it in ns, whether they have a point or not)"""
            text = subprocess.run([TRACE_CMD, "report", "-t", *words, "-i", guest], check=True,
                                  capture_output=True, timeout=60).stdout
            return text, [int(a + b) for a, b in re.findall(rb"\] +(\d+)\.?(\d*): ", text)]
        _, before = report()
        assert len(before) > 1000
        subprocess.run([PROGRAM, "apply", case.log, "--guest", guest, "--host", host], check=True,
                       capture_output=True, timeout=60)
        _, shown = report()
        text, raw = report("--raw-ts")
        assert shown != before and raw == before
        out = case.convert(text, "guest:mono", "host:mono")
        # As apply has them, to what its interpolation differs by from the middle of what the log allows.
        found = [int(n) for n in re.findall(rb"\] +(\d+): ", out)]
        assert len(found) == len(shown) and all(abs(a - b) <= 2 * bound_of(case.err) for a, b in zip(found, shown))


def bound_of(err):
    return int(re.search(r"largest bound (\d+) (?:ns|ticks)", err)[1])


def test_bound():
    """the bound that is told is map's largest, and holds"""
    rng = random.Random(5)
    with Case() as case:
        moments = case.moments(300, rng)
        stamps = [case.world.stamp("guest", "mono", 0, m) for m in moments]
        out = case.convert("".join(f"{s} x\n" for s in stamps).encode(), "guest:mono", "host:mono",
                           "--field", "1").decode()
        bound = bound_of(case.err)
        done = subprocess.run([PROGRAM, "map", case.log, "guest:mono", "host:mono",
                               *map(str, stamps)], capture_output=True, text=True, check=True)
        spans = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
        assert bound == max(max(v - lo, hi - v) for v, lo, hi in spans), bound
        for line, m in zip(out.splitlines(), moments):
            assert abs(int(line.split()[0]) - case.world.stamp("host", "mono", 0, m)) <= bound
        case.convert(b"[   10.123456] x\n")
        assert "last decimal is 1000 ns" in case.err, case.err


def test_layout():
    """the line's other bytes, its width where there are blanks, its end of line"""
    with Case() as case:
        a = case.world.stamp("guest", "mono", 0, START + SECOND)
        out = seconds(*case.map("guest:mono", "host:boot", [a]))
        old = seconds(a)
        assert len(out) == len(old) + 3, (old, out)
        short = seconds(*case.map("host:boot", "guest:mono", [int(out.replace(".", ""))]))
        longer, shorter = ("guest:mono", "host:boot"), ("host:boot", "guest:mono")
        for line, new, clocks in (
                (f" t-1 [000]     {old}: x", f" t-1 [000]  {out}: x", longer),
                (f" t-1 [000]  {old}: x", f" t-1 [000] {out}: x", longer),
                (f" t-1 [000] {old}: x\r", f" t-1 [000] {out}: x\r", longer),
                (f" t-1 [000]\t{old}: x", f" t-1 [000]\t{out}: x", longer),
                (f"[     {old}] x", f"[  {out}] x", longer),
                (f"[{old}] x", f"[{out}] x", longer),
                (f" t-1 [000] {out}: x", f" t-1 [000]    {short}: x", shorter),
                (f"[{out}] x", f"[   {short}] x", shorter),
                (f" t-1 [000]\t{out}: x", f" t-1 [000]\t{short}: x", shorter)):
            assert case.convert(line.encode(), *clocks).decode() == new, (line, new)
            assert case.convert(line.encode() + b"\n", *clocks).decode() == new + "\n"
        # Bytes that are no text, and NULs, before and after the time.
        raw = b"\xff\xfe\0-1 [000] %s: \0\x80\n\n\r\n\0\n"
        assert case.convert(raw % old.encode()) == raw % out.encode()
        # Headers and comments.
        head = b"# tracer: nop\n#\n\ncpus=2\nCPU 1 is empty\n"
        assert case.convert(head + f" t-1 [000] {old}: x".encode()).startswith(head)
        assert "1 lines converted, 5 passed" in case.err, case.err
        assert case.convert(b"") == b""


def test_long_lines():
    """lines of any length, around every size of a buffer, in little memory"""
    with Case() as case:
        a = case.world.stamp("guest", "mono", 0, START + SECOND)
        out = seconds(*case.map("guest:mono", "host:boot", [a])).encode()
        line, new = (b" t-1 [000] %s: x" % t for t in (seconds(a).encode(), out))
        text, expected = [], []
        for size in [0, 1, 65536 - len(line) - 1, 65536, 131071, 131072, 262144 - len(line) - 1,
                     262144, 262145, 10**6, 3 * 10**6]:
            for extra in (-1, 0, 1):
                tail = b"y" * max(size + extra, 0)
                text += [line + tail, line]
                expected += [new + tail, new]
        assert case.convert(b"\n".join(text)) == b"\n".join(expected)
        # A time far behind is not looked for, and nothing is lost.
        far = b"z" * 70000 + line
        assert case.convert(far + b"\n" + line) == far + b"\n" + new
        # 200 MB without an end of line.
        command = ["sh", "-c", 'ulimit -v 200000; exec "$@"', "sh", *map(str, case.command())]
        if os.environ.get("ASAN_OPTIONS") or b"__asan" in PROGRAM.read_bytes():
            command = case.command()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            if os.fork() == 0:
                for i in range(200):
                    os.write(process.stdin.fileno(), (line if not i else b"") + b"y" * 10**6)
                os._exit(0)
            process.stdin.close()
            count = 0
            while part := process.stdout.read(1 << 20):
                count += len(part)
            assert process.wait(60) == 0
            os.wait()
            assert count == 200 * 10**6 + len(new), count


def start(case, *words, **options):
    return subprocess.Popen(case.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def test_stream():
    """a line comes out as soon as it is in; Ctrl-C and TERM end it with the count"""
    with Case() as case:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with start(case) as process:
                for i in range(3):
                    process.stdin.write(b"[   10.0000%02d] x\n" % i)
                    process.stdin.flush()
                    assert process.stdout.readline().endswith(b"] x\n")
                process.stdin.write(b"[   10.1")
                process.stdin.flush()
                time.sleep(0.2)
                process.send_signal(number)
                out, err = process.communicate(timeout=30)
                assert process.returncode == -number, process.returncode
                assert out == b"" and b"3 lines converted" in err, (out, err)


def test_endings():
    """a reader that goes away is no error; an output that cannot be written is"""
    with Case() as case:
        text = b"[   10.000000] x\n" * 300000
        (case.folder / "text").write_bytes(text)
        with open(case.folder / "text", "rb") as stdin:
            done = subprocess.run(f'{PROGRAM} convert {case.log} --from guest:mono --to host:boot | '
                                  "head -n 1", shell=True, stdin=stdin, capture_output=True,
                                  timeout=60, check=True)
        assert done.stderr == b"" and done.stdout.count(b"\n") == 1, done
        # Where SIGPIPE is ignored, too.
        with open(case.folder / "text", "rb") as stdin:
            reader, writer = os.pipe()
            os.close(reader)
            done = subprocess.run(case.command(), stdin=stdin, stdout=writer, timeout=60,
                                  stderr=subprocess.PIPE, check=False, restore_signals=False,
                                  preexec_fn=lambda: signal.signal(signal.SIGPIPE,
                                                                   signal.SIG_IGN))
            os.close(writer)
        assert done.stderr == b"" and done.returncode == FILE, done
        with open("/dev/full", "wb") as full:
            done = subprocess.run(case.command(), input=text, stdout=full, timeout=60,
                                  stderr=subprocess.PIPE, check=False)
        assert done.returncode == FILE and b"cannot write" in done.stderr, done
        done = subprocess.run(case.command(), stdin=os.open("/", os.O_RDONLY), capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == FILE and b"cannot read" in done.stderr, done


def test_usage():
    """what cannot be meant is refused before anything is read"""
    with Case() as case:
        for words, said in ((("--style", "fortran"), "no style"), (("--field", "-1"), "--field"),
                            (("--field", "1", "--regex", "(x)"), "exclude"),
                            (("--regex", "x"), "0 groups"), (("--regex", "(a)(b)"), "2 groups"),
                            (("--regex", "("), "--regex"), (("--unit", "h"), "no unit"),
                            (("--unit", "ticks"), "counters"), (("more",), "--help")):
            case.convert(b"", "guest:mono", "host:boot", *words, status=USAGE)
            assert said in case.err, (words, case.err)
        for name, status in (("guest:tai", REFUSED), ("guest:moon", USAGE), ("tai", USAGE)):
            case.convert(b"", name, "host:boot", status=status)
            assert f"'{name}'" in case.err and "guest:mono" in case.err, case.err
        case.convert(b"", "host:x86-tsc", "host:boot", "--unit", "ns", status=USAGE)
        done = subprocess.run([PROGRAM, "convert", "/nowhere", "--from", "a", "--to", "b"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == FILE and b"; name a log that" in done.stderr, done
        assert case.convert(b"no\ntime\n", status=REFUSED) == b"no\ntime\n"
        assert "--field" in case.err, case.err
        # An expression that takes for ever is given up.
        case.convert(b"a" * 60 + b"!\n", "guest:mono", "host:boot", "--regex", "((?:a+)+)$",
                     status=USAGE)
        assert "line 1: --regex" in case.err, case.err


def test_random():
    """seeded: any two clocks, any order of times, in and out of the recording, as map says"""
    seed = int(os.environ.get("TCS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# TCS_TEST_SEED={seed}", flush=True)
    rng = random.Random(seed)
    for _ in range(6):
        jump = (START + rng.randrange(1, 4) * SECOND, 10**11) if rng.random() < 0.4 else None
        with Case(seed=rng.randrange(1 << 30), jump=jump,
                  ratio=rng.choice((Fraction(1), Fraction(10, 21), Fraction(30, 21)))) as case:
            clocks = [f"{side}:{c}" for side in ("host", "guest") for c in TIMES] + \
                ["host:x86-tsc", "guest:x86-tsc@1"]
            for _ in range(6):
                source, target = rng.choice(clocks), rng.choice(clocks)
                side, name = source.split("@")[0].split(":")
                moments = case.moments(1500, rng, rng.choice((0.001, 3)))
                if rng.random() < 0.7:
                    moments.sort()
                stamps = [case.world.stamp(side, name, 1, m) for m in moments]
                expected = case.map(source, target, stamps)
                out = case.convert("".join(f"x;{s};y\n" for s in stamps).encode(), source, target,
                                   "--regex", r";(\d+);",
                                   status=REFUSED if None in expected else 0)
                shown = ["?" if v is None else str(v) for v in expected]
                for i, line in enumerate(out.decode().splitlines()):
                    assert line == f"x;{shown[i]};y", (source, target, i, stamps[i], line, shown[i])


if __name__ == "__main__":
    cases.run(globals())
