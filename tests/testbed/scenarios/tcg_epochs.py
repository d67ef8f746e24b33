# SPDX-License-Identifier: GPL-2.0-or-later
"""Epochs under TCG: the guest's counter stands still while the VM is stopped, so that every cont
begins one, whatever it was stopped for; a reset does not touch it."""
from channel import QmpError
from measure import query
from moves import SNAPSHOT, add_disk, job, until_migrated
from recording import Here, Recording, look, since

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync")
VCPUS = 2


def known(before, after):
    """The epochs with a cause. QEMU never lets its counter run backward: where it finds it behind
    the value it gave last, it sets it forward. That happens now and then while the guest boots,
    by microseconds to milliseconds, and is told as unknown."""
    unknown = [pair for pair in since(before, after) if pair[1] == "unknown"]
    return [pair for pair in since(before, after) if pair not in unknown]


def on_all(cause):
    return [(n, cause) for n in range(VCPUS)]


def told(reply):
    return [(e["generation"], e["cpu-index"], e["host-counter"], e["offset"], e["cause"])
            for e in reply["epochs"]]


def check_start(t):
    """-S, then cont: the first mapping that lasts has the cause start"""
    t.here = Here(t.workshop.build.absolute() / "collector")
    t.vm = t.local_guest("t1", vcpus=VCPUS, paused=True, args=["-action", "reboot=reset"])
    before = look(t.vm)
    assert before["epochs"] == [] and not before["vcpus"][0]["stable"], before
    t.vm.qmp("cont")
    t.vm.shell.wait_ready(120)
    after = look(t.vm)
    assert known(before, after) == on_all("start"), told(after)


def check_cont(t):
    """stop and cont in a recording: one epoch a vCPU and cont; no value is wrong"""
    recording = Recording(t.here, t.workshop.path("cont.tcs"), f"--qmp {t.vm.qmp_path}")
    replies = [look(t.vm)]
    for seconds in (0, 0.5):
        recording.more()
        before = look(t.vm)
        t.vm.qmp("stop")
        t.here.check(f"sleep {seconds}")
        stopped = query(t.vm)
        assert not stopped["vcpus"][0]["stable"] and "reason" in stopped["vcpus"][0], stopped
        t.vm.qmp("cont")
        after = look(t.vm)
        t.note(f"the offset moved by {after['vcpus'][0]['offset'] - before['vcpus'][0]['offset']}"
               f" ticks, known to {after['vcpus'][0]['bound-ticks']}")
        assert known(before, after) == on_all("cont"), told(after)
        replies += [before, after]
        recording.more()
    t.note(recording.stop())
    for before, after in (replies[1:3], replies[3:5]):
        # A measured mapping may differ by a tick from one sample to the next.
        t.note(f"old until {recording.never_wrong(before, after)[0]}, new from "
               f"{recording.never_wrong(before, after)[1]} on")


def check_undone(t):
    """several stops that nobody asks in between are told one by one, if the vCPUs ran in between"""
    before = look(t.vm)
    for _ in range(3):
        t.vm.qmp("stop")
        t.vm.qmp("cont")
        # A vCPU reads its mapping before it runs; where the next stop comes earlier than that, no
        # instruction saw the mapping, and it is not told.
        for cpu in range(VCPUS):
            t.vm.shell.check(f"taskset {1 << cpu} true")
    after = look(t.vm)
    t.note(known(before, after))
    assert set(known(before, after)) == set(on_all("cont")), after["epochs"]
    assert len(known(before, after)) == 3 * VCPUS, after["epochs"]


def check_reset(t):
    """a reset does not touch the counter, and is not blamed for the next cont"""
    before = look(t.vm)
    t.vm.qmp("system_reset")
    t.vm.shell.wait_ready(120)
    after = look(t.vm)
    assert known(before, after) == [], told(after)
    t.vm.qmp("stop")
    t.vm.qmp("system_reset")
    t.vm.monitor.wait_event("RESET")
    t.vm.qmp("cont")
    t.vm.shell.wait_ready(120)
    assert known(after, look(t.vm)) == on_all("cont"), told(look(t.vm))


def check_many_arguments(t):
    """a list of thousands of vCPUs is answered, each vCPU once; an index too many is named"""
    # QEMU's monitor takes a byte at a time, so that this takes seconds whatever we do.
    reply = query(t.vm, [1, 0] * 2000)
    assert [v["cpu-index"] for v in reply["vcpus"]] == [0, 1], reply
    try:
        query(t.vm, [1, 0] * 2000 + [99])
    except QmpError as e:
        t.note(e)
        assert "99" in e.desc, e
    else:
        raise AssertionError("a vCPU that does not exist was accepted")


def check_snapshot(t):
    """saving a snapshot stops the VM (cont); loading it is told as loadvm, running or stopped"""
    add_disk(t.vm, str(t.workshop.path("snapshots.qcow2")))
    before = look(t.vm)
    job(t.vm, "snapshot-save", SNAPSHOT)
    saved = look(t.vm)
    assert known(before, saved) == on_all("cont"), told(saved)
    job(t.vm, "snapshot-load", SNAPSHOT)
    loaded = look(t.vm)
    assert known(saved, loaded) == on_all("loadvm"), told(loaded)
    t.vm.qmp("stop")
    job(t.vm, "snapshot-load", SNAPSHOT)
    t.vm.qmp("cont")
    again = look(t.vm)
    assert known(loaded, again) == on_all("loadvm"), told(again)
    assert t.vm.shell.check("echo here") == "here\n"


def check_migration(t):
    """through a file into another QEMU: migration"""
    file = t.workshop.path("state")
    t.vm.qmp("migrate-set-parameters", {"max-bandwidth": 10**9})
    t.vm.qmp("migrate", {"uri": f"exec:cat >{file}"})
    until_migrated(t.vm)
    t.vm.qmp("quit")
    t.vm.process.process.wait(20)
    vm = t.local_guest("t2", vcpus=VCPUS, paused=True, args=["-incoming", "defer"])
    before = query(vm)
    assert before["epochs"] == [], before
    vm.qmp("migrate-incoming", {"uri": f"exec:cat {file}"})
    until_migrated(vm)
    vm.qmp("cont")
    after = look(vm)
    assert known(before, after) == on_all("migration"), told(after)
    assert vm.shell.check("echo here") == "here\n"
