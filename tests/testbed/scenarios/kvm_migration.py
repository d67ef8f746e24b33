# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that moves between QEMUs: live, through a file, and back to a snapshot of its own. Each
begins an epoch with its cause on the new side, and the old side keeps its numbers."""
import time

from machines import Guest
from measure import exact, query, reset_stopped
from moves import SNAPSHOT, add_disk, job, migration, until_migrated
from recording import Recording, since, sound

NEEDS = ("qemu-plugin/trace-clock-sync.so", "collector/trace-clock-sync", "tests/testbed/msr")
VCPUS = 2
# A query that takes as long as this has waited for the migration, which takes a minute.
PROMPT = 10
FILE = "/run/vm.state"
TSC_ADJUST = 0x3b


def truth(guest):
    return sound(exact(guest))


def waiting(t, name, uri, more=()):
    """A QEMU that waits for a guest to come."""
    return Guest(t.host, name, vcpus=VCPUS, args=["-incoming", uri, *more])


def prompt(t, guest, what):
    """A query, exact, and answered at once."""
    start = time.monotonic()
    reply = query(guest)
    took = time.monotonic() - start
    t.note(f"{what}: {took:.3f} s, running: {reply['running']}")
    assert took < PROMPT, took
    return truth(guest)


def causes(reply):
    return [(e["cpu-index"], e["cause"]) for e in
            sorted(reply["epochs"], key=lambda e: (e["cause"], e["cpu-index"]))]


def check_before(t):
    """the destination answers before the guest comes: its own vCPUs, first seen"""
    t.old = t.host.boot_guest("m1", vcpus=VCPUS)
    t.new = waiting(t, "m2", "unix:/run/m.sock")
    t.start = prompt(t, t.new, "waiting destination")
    assert causes(t.start) == [(n, "first seen") for n in range(VCPUS)], t.start["epochs"]


def check_meanwhile(t):
    """while RAM is copied both sides answer at once; a write of the guest's is seen"""
    t.recordings = [Recording(t.host, f"/run/{g.name}.tcs", f"--qmp {g.qmp_path}")
                    for g in (t.old, t.new)]
    t.old.qmp("migrate-set-parameters", {"max-bandwidth": 500_000})
    t.old.qmp("migrate", {"uri": "unix:/run/m.sock"})
    time.sleep(1)
    before = prompt(t, t.old, "source, copying")
    t.old.check(f"msr 1 {TSC_ADJUST} +4000000")
    t.source = prompt(t, t.old, "source, copying")
    assert since(before, t.source) == [(1, "unknown")], t.source["epochs"]
    t.destination = prompt(t, t.new, "destination, copying")
    assert t.destination["generation"] == t.start["generation"]
    assert migration(t.old) == "active", migration(t.old)
    for recording in t.recordings:
        recording.more()
    prompt(t, t.old, "source, copying")
    prompt(t, t.new, "destination, copying")
    assert migration(t.old) == "active", migration(t.old)


def check_after(t):
    """when it has moved: the source keeps its mappings, the destination has new ones: migration"""
    t.old.qmp("migrate-set-parameters", {"max-bandwidth": 10**9})
    until_migrated(t.old)
    t.new.monitor.wait_event("RESUME", 60)
    left = prompt(t, t.old, "source, left")
    assert not left["running"] and left["generation"] == t.source["generation"], left
    assert [v["offset"] for v in left["vcpus"]] == [v["offset"] for v in t.source["vcpus"]]
    t.moved = prompt(t, t.new, "destination")
    t.note(f"offsets: source {[v['offset'] for v in left['vcpus']]}, destination "
           f"{[v['offset'] for v in t.moved['vcpus']]}")
    assert t.moved["running"]
    assert since(t.start, t.moved) == [(n, "migration") for n in range(VCPUS)], t.moved["epochs"]
    assert t.new.check("echo here") == "here\n"
    assert truth(t.new)["generation"] == t.moved["generation"]


def check_recorded(t):
    """a recording of the destination splits there; one of the source goes on unbroken"""
    for recording in t.recordings:
        recording.more()
        t.note(recording.stop())
    t.note(f"{t.recordings[1].splits(t.destination, t.moved):.0%} of the time between two "
           "queries is unknown")
    last = truth(t.old)["vcpus"][0]
    at = [t.source["vcpus"][0]["counter-after"], last["counter-before"]]
    assert t.recordings[0].map("host:x86-tsc", "guest:x86-tsc@0", at) == \
        [(h + last["offset"],) * 3 for h in at]


def check_write_afterwards(t):
    """a write of the guest's after it has moved is not put down to the migration"""
    before = truth(t.new)
    t.new.check(f"msr 0 {TSC_ADJUST} +9000000")
    after = truth(t.new)
    assert since(before, after) == [(0, "unknown")], after["epochs"]
    assert after["vcpus"][0]["offset"] == before["vcpus"][0]["offset"] + 9_000_000


def check_file(t):
    """through a file, into a QEMU that is not to run it yet: migration, also before cont"""
    t.old.quit()
    t.new.qmp("migrate-set-parameters", {"max-bandwidth": 10**9})
    t.new.qmp("migrate", {"uri": f"exec:cat >{FILE}"})
    until_migrated(t.new)
    t.new.quit()
    t.vm = waiting(t, "m3", "defer", ["-S"])
    before = prompt(t, t.vm, "waiting destination")
    t.vm.qmp("migrate-incoming", {"uri": f"exec:cat {FILE}"})
    until_migrated(t.vm)
    t.host.check(f"rm {FILE}")
    loaded = prompt(t, t.vm, "loaded, not running")
    assert not loaded["running"] and t.vm.qmp("query-status")["status"] == "paused"
    assert since(before, loaded) == [(n, "migration") for n in range(VCPUS)], loaded["epochs"]
    t.vm.qmp("cont")
    assert t.vm.check("echo here") == "here\n"
    assert truth(t.vm)["generation"] == loaded["generation"]


def check_save(t):
    """saving a snapshot changes no mapping"""
    add_disk(t.vm, "/run/snapshots.qcow2")
    t.vm.check("echo then >/run/now")
    before = truth(t.vm)
    job(t.vm, "snapshot-save", SNAPSHOT)
    assert truth(t.vm)["generation"] == before["generation"]
    t.vm.check("echo now >/run/now")


def check_load(t):
    """loading it in a running VM after a write of the guest's: unknown, then loadvm"""
    recording = Recording(t.host, "/run/load.tcs", f"--qmp {t.vm.qmp_path}", 1)
    recording.more()
    before = truth(t.vm)
    recording.more()
    t.vm.check(f"msr 1 {TSC_ADJUST} +1000000")
    job(t.vm, "snapshot-load", SNAPSHOT)
    after = truth(t.vm)
    t.note(f"{since(before, after)}, offset {before['vcpus'][0]['offset']}, then "
           f"{after['vcpus'][0]['offset']}")
    assert since(before, after) == [(1, "unknown")] + [(n, "loadvm") for n in range(VCPUS)], \
        after["epochs"]
    assert after["running"] and t.vm.check("cat /run/now") == "then\n"
    recording.more()
    t.note(recording.stop())
    t.note(f"{recording.splits(before, after):.0%} of the time between two queries is unknown")


def check_load_stopped(t):
    """loading it in a stopped VM: loadvm, also before cont; a reset after that is a reset"""
    t.vm.qmp("stop")
    time.sleep(1.5)  # KVM takes what would move a TSC by less than a second for no move at all
    before = truth(t.vm)
    job(t.vm, "snapshot-load", SNAPSHOT)
    after = truth(t.vm)
    assert since(before, after) == [(n, "loadvm") for n in range(VCPUS)], after["epochs"]
    t.vm.qmp("cont")
    assert t.vm.check("cat /run/now") == "then\n"
    assert truth(t.vm)["generation"] == after["generation"]
    t.vm.qmp("set-action", {"reboot": "reset"})
    reset_stopped(t.vm)
    reset = truth(t.vm)
    assert since(after, reset) == [(n, "reset") for n in range(VCPUS)], reset["epochs"]
