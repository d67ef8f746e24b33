#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`record` of many VMs in one run: fifty scripted ones (no QEMU: replies of worlds that exist only
as functions), some of which are not there, hang, drip or fail. Argument: the build directory."""
import contextlib
import json
import os
import resource
import subprocess
import tempfile
import time

import cases
import peers
from probe import BUILD, LIMIT, WRAPPER, instrumented
from test_show_world import FILE, QUERY, READ, UNREACHABLE, USAGE, Serve, World

PROGRAM = [*WRAPPER, os.path.abspath(os.path.join(BUILD, "collector/trace-clock-sync"))]
SECONDS = 4
# What is compiled with sanitizers takes several times the processor, which so many would use up.
GOOD = 9 if instrumented() else 45


class Vm:
    """A scripted VM; `agent`: steps of its agent's peer instead of answers; `vcpus`: its world's."""

    def __init__(self, stack, name, agent=None, after=None, vcpus=None):
        world = World(seed=len(name), vcpus=vcpus)
        self.name = name

        def query():
            if after is not None and len(world.queries) > after:
                time.sleep(1000)
            return world.query()
        monitor = peers.monitor(Serve({"query-name": lambda: {"name": name}, QUERY: query},
                                      checked=False))
        guest = peers.Peer(peers.AGENT, agent or [Serve({READ: world.read}, synchronise=True, checked=False)],
                           prefix="qga:")
        for peer in (monitor, guest):
            peer._thread.start()    # pylint: disable=protected-access
            stack.callback(peer.stop_listening)
        self.option = f"--vm={name},{monitor.address[len('unix:'):]},{guest.address}"


def record(output, options, command=(), **kwargs):
    start = time.monotonic()
    process = subprocess.run(
        [*PROGRAM, "record", "-o", output, "--interval", "0.5", "--timeout", "4", *options,
         *(["--", *command] if command else [])],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False,
        **kwargs)
    process.seconds = time.monotonic() - start
    return process


def samples(path):
    with open(path, encoding="utf8") as file:
        return [json.loads(line) for line in file.read().splitlines()[1:]]


@contextlib.contextmanager
def place():
    with tempfile.TemporaryDirectory(prefix="many-") as directory, contextlib.ExitStack() as stack:
        yield os.path.join(directory, "runs"), stack


def test_fifty():
    """many VMs, five of them broken: the others are sampled meanwhile as if those were not there"""
    with place() as (output, stack):
        def counts_of(vms, directory):
            return [len(samples(os.path.join(directory, f"{vm.name}.tcs"))) for vm in vms]

        # The same VMs without the others: what this machine can do.
        good = [Vm(stack, f"vm{n}") for n in range(GOOD)]
        done = record(output + "1", [vm.option for vm in good], ["sleep", str(SECONDS)])
        assert done.returncode == 0, done.stderr
        least = min(counts_of(good, output + "1"))

        good = [Vm(stack, f"vm{n}") for n in range(GOOD)]
        broken = [Vm(stack, "stalls", agent=[peers.Sync(), peers.Sleep(100)]),
                  Vm(stack, "drips", agent=[peers.Sync(), peers.Drip(b" ", 0.05)]),
                  Vm(stack, "nonsense", agent=[peers.Sync(), peers.Raw(b"[]\n"), peers.Sleep(100)]),
                  Vm(stack, "dies", after=6)]
        absent = "--vm=absent,/nonexistent/qmp,vsock:3"
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = record(output, [vm.option for vm in good + broken] + [absent],
                      ["sleep", str(SECONDS)])
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode in (UNREACHABLE, 4), (done.returncode, done.stderr)
        counts = counts_of(good, output)
        print(f"# without the broken {least} samples and more in {SECONDS} s; with them "
              f"{min(counts)} to {max(counts)}; "
              f"{(used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime) * 1000:.0f} ms CPU "
              f"for {sum(counts)} samples, {done.seconds:.1f} s in all")
        # The command waited for those that gave no answer; the others were sampled meanwhile, and so
        # should have more. One that waited for a broken one's timeout each time has a quarter.
        assert min(counts) >= least * 0.5, (least, counts)
        assert done.seconds > 4 + SECONDS, done.seconds
        for vm in ("stalls", "drips", "nonsense", "absent"):
            assert not os.path.exists(os.path.join(output, f"{vm}.tcs")), vm
        assert "/nonexistent/qmp" in done.stderr, done.stderr
        assert done.stderr.count(": not recorded: ") == 4, done.stderr
        assert f"5 of {GOOD + 5} VMs were not recorded to the end" in done.stderr, done.stderr
        assert len(samples(os.path.join(output, "dies.tcs"))) >= 2
        assert len(os.listdir(output)) == GOOD + 1


def test_names():
    """names become file names that are safe and different; a VM's own name stays in its log"""
    names = ["plain-1.x_y", "../../etc/passwd", ".hidden", "a b", "a%20b", "ü", "x" * 300,
             "x" * 300 + "y"]
    with place() as (output, stack):
        done = record(output, [Vm(stack, name).option for name in names], ["true"])
        assert done.returncode == 0, done.stderr
        files = sorted(os.listdir(output))
        assert len(files) == len(names), files
        for file in ("plain-1.x_y", "..%2F..%2Fetc%2Fpasswd".replace("..", "%2E.", 1),
                     "%2Ehidden", "a%20b", "a%2520b", "%C3%BC"):
            assert f"{file}.tcs" in files, (file, files)
        assert max(len(file) for file in files) <= 255
        headers = set()
        for file in files:
            with open(os.path.join(output, file), encoding="utf8") as log:
                headers.add(json.loads(log.readline())["vm"])
        # A name that is too long for QEMU's reply is none: then the socket's stands there.
        assert headers >= {name for name in names if len(name) < 300}, headers


def test_same_name():
    """two VMs of one name get two logs"""
    with place() as (output, stack):
        done = record(output, [Vm(stack, "twin").option for _ in range(2)], ["true"])
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(output)) == ["twin%2.tcs", "twin.tcs"]


def test_files():
    """a log that is there, a directory that cannot be made, a command that cannot be started"""
    with place() as (output, stack):
        os.mkdir(output)
        with open(os.path.join(output, "one.tcs"), "wb"):
            pass
        done = record(output, [Vm(stack, "one").option, Vm(stack, "two").option], ["true"])
        assert done.returncode == FILE and "one.tcs exists" in done.stderr, done.stderr
        assert os.listdir(output) == ["one.tcs"]
        done = record(os.path.join(output, "one.tcs"), [Vm(stack, "three").option], ["true"])
        assert done.returncode == FILE and "cannot make the directory" in done.stderr, done.stderr
        done = record(output + "2", [Vm(stack, "a").option, Vm(stack, "b").option],
                      ["/nonexistent/program"])
        assert done.returncode == FILE and not os.path.exists(output + "2"), done.stderr


def test_usage():
    """--vm's form is checked before anything is asked"""
    with place() as (output, _):
        for words, told in ((["--vm", "x"], "NAME,QMP"), (["--vm", ",/x"], "NAME,QMP"),
                            (["--vm", "x,/x,bad"], "--vm x: agent address 'bad'"),
                            (["--vm", "x,/x", "--qmp", "/y"], "leave out --qmp"),
                            (["--vm", "x,/x", "--all"], "leave out --qmp")):
            done = record(output, words)
            assert done.returncode == USAGE and told in done.stderr, (words, done.stderr)
            assert not os.path.exists(output)


def test_all_fail():
    """where no VM can be recorded there is no directory and no command"""
    with place() as (output, _):
        mark = output + ".ran"
        done = record(output, ["--vm=a,/nonexistent/a", "--vm=b,/nonexistent/b"], ["touch", mark])
        assert done.returncode == UNREACHABLE, done.stderr
        assert "2 of 2 VMs were not recorded" in done.stderr, done.stderr
        assert not os.path.exists(output) and not os.path.exists(mark)


if __name__ == "__main__":
    cases.run(globals())
