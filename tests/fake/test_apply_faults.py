#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`apply` killed or failing at each system call that changes a file, and the files it is given.

Argument: the build directory.
"""
import ctypes
import fcntl
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys

import cases
from probe import instrumented
from test_apply import ENVIRONMENT, PROGRAM, Case, convert, far_log, judge, report, run, trace_dat
from traced_world import World

# What changes files, and their names; reads do not matter.
CALLS = "pwrite64,ftruncate,fsync,link,linkat,unlink,unlinkat,copy_file_range,write,fchmod"
KILLED = (-9, 137)
QUIET = {**ENVIRONMENT, "ASAN_OPTIONS": "detect_leaks=0"}  # no leak checker under ptrace


def words_of(case, *more):
    return [PROGRAM, "apply", case.log, "--guest", case.guest, "--host", case.host, *more]


def strace(options, words):
    if not shutil.which("strace"):
        cases.skip("strace is not installed: run scripts/install-packages")
    done = subprocess.run(["strace", "-f", "-qq", *options, *map(str, words)], timeout=120,
                          capture_output=True, text=True, env=QUIET)
    if "ptrace" in done.stderr and "Operation not permitted" in done.stderr:
        cases.skip("this machine does not let strace trace")
    return done


def steps(case, *more):
    """[(system call, its number among its like)] of an undisturbed run, those on files alone."""
    trace = case.path / "trace"
    done = strace(["-o", trace, "-y", "-e", f"trace={CALLS}"], words_of(case, *more))
    assert done.returncode == 0, done.stderr
    found, count = [], {}
    for line in trace.read_text().splitlines():
        line = line[re.match(r"(?:\d+ +)?", line).end():]
        name = re.match(r"(\w+)\(", line)
        if name:
            name = name.group(1)
            count[name] = count.get(name, 0) + 1
            if str(case.path) in line and not line.startswith("write(1<"):
                found.append((name, count[name]))
    trace.unlink()
    return found


def disturb(case, step, how, *more):
    name, number = step
    return strace(["-o", "/dev/null", "-e", f"trace={CALLS}", "-e",
                   f"inject={name}:{how}:when={number}"], words_of(case, *more))


class Files:
    """A case whose files are put back before each trial."""

    def __init__(self, case):
        self.case = case
        self.old = case.guest.read_bytes(), case.host.read_bytes()
        self.rows = report(case.guest), report(case.host)

    def restore(self):
        self.case.guest.write_bytes(self.old[0])
        self.case.host.write_bytes(self.old[1])

    def hold(self, where):
        """As they were or corrected; and they can be corrected, again or now."""
        case = self.case
        assert report(case.host) == self.rows[1], where
        if report(case.guest) != self.rows[0]:
            assert judge(case.host, case.guest)[1:] == (0, 0), where
        case.apply()
        assert judge(case.host, case.guest)[1:] == (0, 0), where


def can_be_nameless(directory):
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_RDWR))
    except OSError:
        return False
    return True


def short_case():
    return Case(world=World(seconds=2))


def test_killed_at_each_step():
    """killed before each change of either file: each is as it was or corrected"""
    with short_case() as case:
        files = Files(case)
        found = steps(case)
        assert [name for name, _ in found] == ["pwrite64", "fsync"] * 4, found
        for step in found:
            files.restore()
            assert disturb(case, step, "signal=KILL").returncode in KILLED, step
            files.hold(step)


def test_error_at_each_step():
    """a full disk, an error of the disk at each change: told, and the files are valid"""
    with short_case() as case:
        files = Files(case)
        for step in steps(case):
            case_error = "EIO" if step[0] == "fsync" else "ENOSPC"
            files.restore()
            done = disturb(case, step, f"error={case_error}")
            assert done.returncode == 5, (step, done.returncode, done.stderr)
            assert case_error == "EIO" or "No space left" in done.stderr, done.stderr
            files.hold(step)


def test_copy_disturbed_at_each_step():
    """-o killed or failing: the new file is whole or not there, and a later run makes it"""
    with short_case() as case:
        files, new = Files(case), case.path / "new.dat"
        found = steps(case, "-o", new)
        assert {"copy_file_range", "pwrite64", "fsync"} <= {name for name, _ in found}, found
        new.unlink()
        for step in found:
            # Some file systems cannot copy ranges; then bytes are read and written.
            for how in ("signal=KILL", "error=EIO" if step[0] != "fchmod" else "error=EPERM"):
                done = disturb(case, step, how, "-o", new)
                assert done.returncode in KILLED + (0, 5), (step, how, done.stderr)
                if new.exists():
                    assert judge(case.host, new)[1:] == (0, 0), (step, how)
                    new.unlink()
                # Until it has its name the copy has none, where the file system can do that.
                left = [p.name for p in case.path.iterdir() if p.name.startswith("new")]
                assert not left or not can_be_nameless(case.path), (step, how, left)
                for path in case.path.glob("new*"):
                    path.unlink()
                assert (case.guest.read_bytes(), case.host.read_bytes()) == files.old
        case.apply("-o", new)
        assert judge(case.host, new)[1:] == (0, 0)


def test_two_at_once():
    """two that extend one file: one does it, the other is told to wait"""
    with short_case() as case:
        old = case.guest.read_bytes()
        with open(case.guest, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            assert "another program" in case.apply(status=5)
        assert case.guest.read_bytes() == old
        running = [subprocess.Popen(list(map(str, words_of(case))), env=ENVIRONMENT,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                   for _ in range(6)]
        ends = [(p.communicate(timeout=60)[1], p.returncode) for p in running]
        assert 0 in [status for _, status in ends], ends
        assert all(status == 0 or status == 5 and "another program" in said
                   for said, status in ends), ends
        assert judge(case.host, case.guest)[1:] == (0, 0)


def test_not_writable():
    """a file that may be read only: told which, and -o works"""
    with short_case() as case:
        for path in (case.guest, case.host):
            before = case.guest.read_bytes(), case.host.read_bytes()
            done = strace(["-o", "/dev/null", "-P", path, "-e", "trace=openat", "-e",
                           "inject=openat:error=EACCES:when=1"], words_of(case))
            assert done.returncode == 5 and f"cannot extend {path}: Permission" in done.stderr, \
                (done.returncode, done.stderr)
            assert before == (case.guest.read_bytes(), case.host.read_bytes())
        for path in (case.guest, case.host):
            path.chmod(0o444)
        if os.getuid() != 0:
            assert "cannot extend" in case.apply(status=5)
        case.apply("-o", case.path / "new.dat")


def test_full_disk():
    """a file system with no room for all of what is added: told, and the file is what it was"""
    with short_case() as case:
        pad = -case.guest.stat().st_size % 4096 + 4096 - 50
    with Case(world=World(seconds=2), pad_options=pad) as case:
        small = case.path / "small"
        small.mkdir()
        kib = -(-case.guest.stat().st_size // 4096) * 4
        words = words_of(case)
        words[words.index(case.guest)] = small / "guest.dat"
        script = (f"mount -t tmpfs -o size={kib}k none {small} || exit 99; cp {case.guest} {small};"
                  f"{' '.join(map(str, words))}; s=$?; cmp {case.guest} {small}/guest.dat || exit 98;"
                  "exit $s")
        done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True,
                              text=True, timeout=60, env=ENVIRONMENT)
        if "unshare" in done.stderr or done.returncode == 99:
            cases.skip(f"no mount namespace to be had: {done.stderr.strip()[:80]}")
        assert done.returncode == 5 and "No space left" in done.stderr, \
            (done.returncode, done.stderr)


def test_without_host():
    """without the host's file its clock must be named; then the guest's is corrected"""
    with short_case() as case:
        old = case.guest.read_bytes()
        said = run("apply", case.log, "--guest", case.guest, status=2)
        assert "--host-clock" in said and case.guest.read_bytes() == old, said
        run("apply", case.log, "--guest", case.guest, "--host-clock", "mono")
        assert judge(case.host, case.guest)[1:] == (0, 0)
        for words in (("--guest", case.path / "none.dat"), ("--guest", case.path)):
            said = run("apply", case.log, *words, "--host-clock", "mono", status=5)
            assert str(words[1]) in said, said


def test_odd_files():
    """pipes, devices, directories, a log, each other's place: told at once; a link is followed"""
    with short_case() as case:
        odd = [case.path / name for name in ("pipe", "dangling")] + \
            [case.path, case.log, "/dev/zero", "/dev/null"]
        os.mkfifo(odd[0])
        odd[1].symlink_to(case.path / "nowhere")
        before = case.guest.read_bytes(), case.host.read_bytes()
        for path in odd:
            for words in (("--guest", path, "--host", case.host),
                          ("--guest", case.guest, "--host", path)):
                for verb in ("apply", "check"):
                    assert str(path) in run(verb, case.log, *words, status=5)
        assert "exists" in case.apply("-o", odd[1], status=5) and not odd[1].exists()
        for other in ("new", "./new", "../" + os.path.basename(os.getcwd()) + "/new"):
            assert "one file" in case.apply("-o", "new", "--host-output", other, status=2)
        said = run("apply", case.log, "--guest", case.host, "--host", case.guest, status=4)
        assert "swapped?" in said, said
        assert before == (case.guest.read_bytes(), case.host.read_bytes())
        link = case.path / "link"
        link.symlink_to(case.guest)
        run("apply", case.log, "--guest", link, "--host", case.host)
        assert link.is_symlink() and judge(case.host, case.guest)[1:] == (0, 0)


def test_bytes_changed():
    """seeded: bytes of a corrected pair changed and cut; both verbs end in a way they may"""
    seed = int(os.environ.get("TCS_TEST_SEED") or random.randrange(1 << 32))
    print(f"# TCS_TEST_SEED={seed}")
    rng = random.Random(seed)
    with short_case() as case:
        case.apply()
        files = {path: path.read_bytes() for path in (case.guest, case.host)}
        for _ in range(25):
            for path, content in files.items():
                path.write_bytes(content)
            path = rng.choice(list(files))
            changed = bytearray(files[path])
            for _ in range(rng.choice((1, 2, 10))):
                at = rng.randrange(rng.choice((len(changed), 9000)))
                if rng.random() < 0.8:
                    changed[at:at + 8] = rng.choice((b"\0", b"\xff", b"\x80", b"\xff" * 8,
                                                     bytes(8), len(changed).to_bytes(8, "little")))
                else:
                    del changed[at:at + rng.randrange(1, 50)]
            for verb in ("check", "apply"):
                path.write_bytes(changed)
                done = subprocess.run([PROGRAM, verb, case.log, "--guest", case.guest, "--host",
                                       case.host], capture_output=True, timeout=60,
                                      env=ENVIRONMENT)
                assert done.returncode in (0, 4, 5), (verb, path, done)
                assert done.returncode == 0 or verb == "check" or path.read_bytes() == changed


def test_compressed_changed():
    """seeded: bytes of a compressed trace changed, which libtracecmd reads: apply ends in a way it may"""
    seed = int(os.environ.get("TCS_TEST_SEED") or random.randrange(1 << 32))
    print(f"# TCS_TEST_SEED={seed}")
    rng, told = random.Random(seed), set()
    with short_case() as case:
        convert(case.guest, "--compression", "zstd")
        far_log(case)  # all of its events are before that: the walk ends with the last
        good = case.guest.read_bytes()
        assert "not of one time" in case.apply(status=4)
        for _ in range(40):
            changed = bytearray(good)
            for _ in range(rng.choice((1, 2, 10))):
                at = rng.randrange(rng.choice((len(changed), 4200)))
                changed[at:at + 4] = rng.choice((bytes(4), b"\xff" * 4, rng.randbytes(4)))
            case.guest.write_bytes(changed)
            done = subprocess.run(list(map(str, words_of(case))), capture_output=True, timeout=100,
                                  text=True, env=ENVIRONMENT)
            assert done.returncode in (0, 4, 5), done
            told.add("of one time" in done.stderr and
                     ("unread" if "was not checked" in done.stderr else "read"))
    assert {"read", "unread"} <= told, told


def test_both_or_none():
    """two copies, of which the second cannot be finished: neither is there, and the reason is told"""
    with short_case() as case:
        case.path.joinpath("in").mkdir()
        for path, size in (case.guest, 1 << 20), (case.host, 0):
            with open(path, "ab") as file:
                file.write(bytes(size))
        # So large that the host's copy can be written and the guest's cannot.
        blocks = case.guest.stat().st_size // 512
        done = subprocess.run(["sh", "-c", f"trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"", "sh",
                               *map(str, words_of(case, "-o", case.path / "in/g.dat", "--host-output",
                                                  case.path / "in/h.dat"))],
                              capture_output=True, timeout=100, text=True, env=ENVIRONMENT)
        assert done.returncode == 5 and "ulimit -f" in done.stderr and "in/g.dat" in done.stderr, done
        assert not os.listdir(case.path / "in"), os.listdir(case.path / "in")


def test_no_proc():
    """a copy gets its name where /proc is not mounted, too"""
    if instrumented():
        cases.skip("a sanitizer reads its options in /proc")
    with short_case() as case:
        words = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh",
                 *map(str, words_of(case, "-o", case.path / "new.dat"))]
        if subprocess.run([*words[:4], "mount -t tmpfs none /proc"], capture_output=True, check=False).returncode:
            cases.skip("this user may not mount in a namespace of its own")
        done = subprocess.run(words, capture_output=True, timeout=100, text=True, env=ENVIRONMENT)
        assert done.returncode == 0 and case.path.joinpath("new.dat").exists(), done
        assert sorted(p.name for p in case.path.glob("new*")) == ["new.dat"]


def test_many_compressed():
    """whether a compressed trace of many CPUs is of the log's time costs one reading of it, not one a CPU"""
    cost = {}
    with short_case() as case:
        stamp = case.world.stamp("guest", "mono", 0, case.world.moments[0, 0]) + 10**13
        for n in (8, 128):
            trace_dat.TraceDat("mono", {cpu: [(stamp + i, "tick", 7, i) for i in range(500)]
                                        for cpu in range(n)}).write(case.guest)
            convert(case.guest, "--compression", "zstd")
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert "not of one time" in case.apply(status=4)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cost[n] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"# {cost[128] / cost[8]:.1f} times the CPU time for 16 times the CPUs")
    assert cost[128] < 16 * cost[8], cost


def test_library_dies():
    """a header of which libtracecmd 3.1 dies: told, and not died with it"""
    with short_case() as case:
        case.apply()
        for path in (case.guest, case.host):
            content = path.read_bytes()
            at = content.index(b"et:0;", content.index(b"header_page"))
            path.write_bytes(content[:at] + b"\xee\x95" + bytes(6) + content[at + 8:])
            done = subprocess.run([PROGRAM, "check", case.log, "--guest", case.guest, "--host",
                                   case.host], capture_output=True, timeout=60, env=ENVIRONMENT)
            assert done.returncode == 5 and str(path) in done.stderr.decode(), done
            path.write_bytes(content)
        # And a page that says to be larger than it is, of which its reader dies.
        pages = case.guest.read_bytes()
        first = struct.pack("<Q", case.world.stamp("guest", "mono", 0, case.world.moments[0, 0]))
        at = pages.rindex(first)
        case.guest.write_bytes(pages[:at + 8] + b"\xff" * 8 + pages[at + 16:])
        for verb in (["check", case.log], ["plot", case.log, "-o", case.path / "x.svg"]):
            done = subprocess.run([PROGRAM, *verb, "--guest", case.guest, "--host", case.host], capture_output=True,
                                  timeout=60, env=ENVIRONMENT)
            assert done.returncode == 5 and str(case.guest) in done.stderr.decode(), done
            assert not case.path.joinpath("x.svg").exists()


def test_ignored_children():
    """started where SIGCHLD is ignored: what is asked of a child is asked all the same"""
    with short_case() as case:
        convert(case.guest, "--compression", "zstd")
        far_log(case)
        done = subprocess.run(list(map(str, words_of(case))), capture_output=True, timeout=100, text=True, env=ENVIRONMENT,
                              preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        assert done.returncode == 4 and "not of one time" in done.stderr, done


def compressed_zeros(size):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_compress.restype = ctypes.c_size_t
    target = ctypes.create_string_buffer(size // 1000 + 65536)
    n = zstd.ZSTD_compress(target, ctypes.c_size_t(len(target)), bytes(size), ctypes.c_size_t(size), 1)
    assert 0 < n < len(target), n
    return target.raw[:n]


def put_data(path, data):
    """Has these bytes stand for every CPU's events in a file: in a section of their own at its end."""
    content = bytearray(path.read_bytes())
    buffer, = [c for n, c in trace_dat.options(content) if n == trace_dat.BUFFER]
    cpus = content.index(buffer) + buffer.index(b"mono\0") + 9
    count, = struct.unpack_from("<I", content, cpus)
    padding = -(len(content) + 16) % 4096
    content += struct.pack("<HHIQ", 3, 0, 0, padding + len(data)) + bytes(padding)
    for i in range(count):
        struct.pack_into("<QQ", content, cpus + 4 + 20 * i + 4, len(content), len(data))
    path.write_bytes(content + data)


def test_bomb():
    """a compressed trace of 1 MB that says to be 16 GB: neither verb takes the memory for it"""
    if instrumented():
        cases.skip("an address sanitizer needs memory without a limit")
    size, times = 1 << 28, 60
    zeros = compressed_zeros(size)
    chunk = struct.pack("<II", len(zeros), size) + zeros
    with short_case() as case:
        convert(case.guest, "--compression", "zstd")
        far_log(case)
        put_data(case.guest, struct.pack("<I", times) + times * chunk)
        for verb in ("apply", "check"):
            # Of a shell of its own, so that its child's memory is told apart.
            words = [PROGRAM, verb, case.log, "--guest", case.guest, "--host", case.host]
            script = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
                      "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)")
            done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, timeout=200,
                                  text=True, env=ENVIRONMENT)
            most = int(done.stdout.splitlines()[-1])
            print(f"# {verb}: status {done.returncode}, {most} KiB at most; {done.stderr.strip()}")
            assert done.returncode in (0, 4, 5) and most < 1.5 * 2**20, (verb, done)


def main():
    cases.run(globals())


if __name__ == "__main__":
    main()
