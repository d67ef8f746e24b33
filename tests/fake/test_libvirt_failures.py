#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`record` of libvirt domains that go away and come back, of a libvirtd that does, and what a kill,
a second run and a full disk leave. Argument: the build directory."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from libvirt_recording import (PROGRAM, Recording, another_daemon, command_line, daemon,
                               epoch_break, main, program)
from probe import LIMIT
from recording import run_map

UNREACHABLE, REFUSED, FILE = 3, 4, 5
VMS = ("web1", "web2")
GUEST_TICK = ("host:x86-tsc", "guest:x86-tsc")


def create():
    for vm in VMS:
        if daemon().virsh("domstate", vm, check=False).returncode != 0:
            daemon().create(vm)


def both(recording, count):
    for vm in VMS:
        recording.wait_samples(count, vm)


def wait_files(recording):
    """As both(), whoever writes them."""
    deadline = time.monotonic() + LIMIT
    while min(len(recording.samples(vm)) for vm in VMS) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def vcpu(sample):
    return sample["qmp-after"]["vcpus"][0]


def assert_maps(recording, vm, samples):
    """These samples' own answers are what the log says."""
    mapped = run_map(recording.path(vm), *GUEST_TICK,
                     *[vcpu(sample)["counter-before"] for sample in samples])
    assert mapped.status == 0 and "warning" not in mapped.err, mapped.err
    for (_, low, high), sample in zip(mapped.values, samples):
        bound = vcpu(sample)["bound-ticks"]
        truth = (vcpu(sample)["counter-before"] + vcpu(sample)["offset"]) % 2**64
        assert low - bound <= truth <= high + bound, (low, truth, high)


def assert_whole(path):
    """A header, then samples; not half a line."""
    with open(path, encoding="utf8") as file:
        text = file.read()
    lines = [json.loads(line) for line in text.splitlines()]
    assert text.endswith("\n") and "format" in lines[0], text[-200:]
    assert len(lines) > 1 and all("window" in line for line in lines[1:]), path
    return lines[1:]


def test_down():
    """a domain that is down for a while is told and gone on with; the others do not notice

    Among them one whose QEMU lacks the component."""
    create()
    daemon().create("plain", plugin=False)
    with Recording("--all") as recording:
        both(recording, 5)
        count, start = len(recording.samples("web2")), time.monotonic()
        daemon().virsh("destroy", "web1")
        time.sleep(2)
        daemon().virsh("start", "web1")
        recording.wait_samples(3, "web1")
        count, seconds = len(recording.samples("web2")) - count, time.monotonic() - start
        both(recording, 3)
        status, err = recording.stop()
        print(f"# {count} samples of the other domain in {seconds:.1f} s")
        assert count > 3 * seconds, (count, seconds)
        assert status == UNREACHABLE and "1 of 3 VMs were not recorded" in err, (status, err)
        assert "plain: not recorded: " in err and "plugin add --domain plain" in err, err
        assert "web1 is sampled again" in err and "is not running; start it" in err, err
        assert "web2: " not in err and err.count("going on") <= 3, err
        assert sorted(os.listdir(recording.output)) == ["web1.tcs", "web2.tcs"]
        epoch_break(recording, "web1")
        assert_maps(recording, "web2", recording.samples("web2"))
    daemon().virsh("destroy", "plain")


def test_saved():
    """save and restore, managedsave and start: a new QEMU with the old guest, and a new epoch"""
    create()
    file = os.path.join(daemon().directory, "saved")
    with Recording("--all") as recording:
        both(recording, 5)
        daemon().virsh("save", "web1", file)
        daemon().virsh("managedsave", "web2")
        daemon().virsh("restore", file)
        daemon().virsh("start", "web2")
        both(recording, 5)
        status, err = recording.stop()
        assert status == 0, err
        for vm in VMS:
            assert f"{vm} is sampled again" in err, err
            epoch_break(recording, vm)


def test_paused():
    """suspend, resume and reset: no sample fails, and a paused guest's time is unknown"""
    create()
    with Recording("--all") as recording:
        both(recording, 5)
        daemon().virsh("suspend", "web1")
        recording.wait_samples(5, "web1")
        daemon().virsh("resume", "web1")
        recording.wait_samples(5, "web1")
        daemon().virsh("reset", "web1")
        both(recording, 5)
        status, err = recording.stop()
        assert status == 0 and "failed" not in err, err
        samples = recording.samples("web1")
        paused = [s for s in samples if not s["qmp-before"]["running"]]
        assert len(paused) >= 4, len(paused)
        mapped = run_map(recording.path("web1"), *GUEST_TICK,
                         *[vcpu(s)["counter-before"] for s in paused])
        assert mapped.status == REFUSED and set(mapped.values) == {None}, mapped.out
        assert_maps(recording, "web1", (samples[0], samples[-1]))
        assert_maps(recording, "web2", recording.samples("web2"))


def test_libvirtd():
    """libvirtd is killed and started again: the logs go on, and QEMU tells what was meanwhile"""
    create()
    with Recording("--all") as recording:
        both(recording, 5)
        daemon().kill()
        # More than five intervals.
        time.sleep(1.5)
        daemon().start()
        both(recording, 5)
        status, err = recording.stop()
        assert status == 0, err
        for vm in VMS:
            assert f"{vm} is sampled again" in err and f"domain {vm} at qemu" in err, err
            samples = recording.samples(vm)
            assert len({vcpu(s)["thread-id"] for s in samples}) == 1
            assert_maps(recording, vm, samples)
            ticks = [vcpu(s)["counter-before"] for s in samples]
            gap, at = max((b - a, a) for a, b in zip(ticks, ticks[1:]))
            assert run_map(recording.path(vm), *GUEST_TICK, at + gap // 2).status == 0


def test_migrated():
    """a domain that migrates live to another host is found there, but not in the old log"""
    create()
    with another_daemon() as other:
        where = ("--domain", "web1", "--connect", other.uri)
        with Recording(*where) as recording:
            recording.wait_samples(5)
            daemon().virsh("migrate", "--live", "--persistent", "web1", other.uri, "--migrateuri",
                           f"unix://{other.directory}/migration")
            time.sleep(1)
            status, err = recording.stop()
            assert status == UNREACHABLE and "is not running; start it" in err, (status, err)
            samples = recording.samples()
            assert len({vcpu(s)["thread-id"] for s in samples}) == 1, "of two hosts"
            assert_maps(recording, None, [s for s in samples if s["qmp-after"]["running"]])
        assert "shut off" in daemon().virsh("domstate", "web1").stdout
        shown = program("show", "--connect", daemon().uri, "--agent", "none", *where)
        assert shown.returncode == 0, shown.stderr
    daemon().virsh("start", "web1")


def test_killed():
    """kill -9 of record: whole logs are left, and the next run leaves them alone"""
    create()
    with Recording("--all") as recording:
        both(recording, 5)
        recording.process.kill()
        recording.wait()
        before = {}
        for vm in VMS:
            assert_maps(recording, vm, assert_whole(recording.path(vm)))
            with open(recording.path(vm), "rb") as file:
                before[vm] = file.read()
        again = subprocess.run(command_line(recording.output, "--all"), stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=LIMIT, check=False)
        assert again.returncode == FILE, again.stderr
        assert "web1.tcs exists; a log is never overwritten: remove it or name another" \
            in again.stderr, again.stderr
        for vm in VMS:
            with open(recording.path(vm), "rb") as file:
                assert file.read() == before[vm], vm


def test_two():
    """two runs at once into one directory: each domain's log is that of one of them"""
    create()
    with Recording("--all") as first:
        # pylint: disable=consider-using-with
        second = subprocess.Popen(
            command_line(first.output, "--all"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            wait_files(first)
            if second.poll() is None:
                second.send_signal(signal.SIGINT)
            err = second.communicate(timeout=LIMIT)[1]
        finally:
            second.kill()
        # Either may be the first to a file; then the other has not recorded that domain.
        ended = [(second.returncode, err), first.stop() if first.process.poll() is None
                 else first.wait()]
        text = "".join(told for _, told in ended)
        assert FILE in [status for status, _ in ended], ended
        assert "a log is never overwritten" in text, text
        for vm in VMS:
            assert_maps(first, vm, assert_whole(first.path(vm)))
            assert text.count(f" samples of {vm} over") == 1, text


def on_small_disk(size, free, *words):
    """(status, standard error, copy of what is left) of record into a tmpfs with so much room."""
    place = os.path.join(daemon().directory, "small")
    copy = os.path.join(daemon().directory, f"copy-{free}-{len(words)}")
    os.makedirs(place, exist_ok=True)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         f"mount -t tmpfs -o size={size} none {place} || exit 99; "
         f"head -c {size - free} /dev/zero >{place}/filler; "
         f'"$@"; status=$?; rm {place}/filler; cp -r {place} {copy}; exit $status', "sh",
         *command_line(os.path.join(place, "run"), *words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False)
    return done.returncode, done.stderr, copy


def test_full():
    """a full disk: status 5, and no file; one that fills up: the samples until then"""
    create()
    for words in (("--domain", "web1"), ("--all",)):
        status, err, left = on_small_disk(65536, 0, *words)
        assert status == FILE and "No space left on device" in err, (status, err)
        assert os.listdir(left) == [], (left, os.listdir(left))
    status, err, left = on_small_disk(131072, 65536, "--all")
    assert status == FILE and "2 of 2 VMs were not recorded to the end" in err, (status, err)
    for vm in VMS:
        assert f"{vm}: its recording has ended early: cannot write to" in err, err
        path = os.path.join(left, "run", f"{vm}.tcs")
        samples = assert_whole(path)
        mapped = run_map(path, *GUEST_TICK, *[vcpu(s)["counter-before"] for s in samples])
        assert mapped.status == 0 and "warning" not in mapped.err, mapped.err


def test_no_library():
    """without libvirt's library a domain is refused, with what to install; the rest works"""
    with tempfile.TemporaryDirectory(prefix="no-libvirt-") as directory:
        with open(os.path.join(directory, "libvirt-qemu.so.0"), "w", encoding="utf8") as file:
            file.write("not a library\n")
        environment = {**os.environ, "LD_LIBRARY_PATH": directory}
        for words, status in ((("--version",), 0), (("show", "--domain", "web1"), UNREACHABLE),
                              (("show", "--all"), UNREACHABLE),
                              (("plugin", "show", "--domain", "web1"), UNREACHABLE)):
            done = subprocess.run([*PROGRAM, *words], env=environment, capture_output=True,
                                  text=True, timeout=LIMIT, check=False)
            assert done.returncode == status, (words, done)
            assert not status or "install it (Debian's package libvirt0)" in done.stderr, done


if __name__ == "__main__":
    sys.exit(main(globals()))
