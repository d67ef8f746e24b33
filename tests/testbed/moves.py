# SPDX-License-Identifier: GPL-2.0-or-later
# What QMP takes to move a VM: migration, and snapshots on a disk that no device uses.
import time

SNAPSHOT = {"tag": "one", "vmstate": "disk", "devices": ["disk"]}


def migration(guest):
    """The state of a migration, of either side; None before any."""
    return guest.qmp("query-migrate").get("status")


def until_migrated(guest):
    deadline = time.monotonic() + 90
    while migration(guest) != "completed":
        assert migration(guest) != "failed", guest.qmp("query-migrate")
        assert time.monotonic() < deadline, guest.qmp("query-migrate")
        time.sleep(0.1)


def move(old, new, socket):
    """A live migration over a socket of their machine, on which `new` waits (-incoming); it runs then, `old` stays, stopped."""
    old.qmp("migrate-set-parameters", {"max-bandwidth": 10**9, "downtime-limit": 1000})
    old.qmp("migrate", {"uri": f"unix:{socket}"})
    until_migrated(old)
    new.monitor.wait_event("RESUME", 60)


def job(guest, command, arguments):
    """Runs a QMP job to its end."""
    guest.qmp(command, {"job-id": "job", **arguments})
    deadline = time.monotonic() + 60
    while True:
        state, = guest.qmp("query-jobs")
        if state["status"] == "concluded":
            break
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    guest.qmp("job-dismiss", {"id": "job"})
    assert "error" not in state, state


def add_disk(guest, path):
    """Makes the disk that SNAPSHOT is about, at a path of QEMU's machine."""
    job(guest, "blockdev-create",
        {"options": {"driver": "file", "filename": path, "size": 0}})
    guest.qmp("blockdev-add", {"driver": "file", "node-name": "file", "filename": path})
    job(guest, "blockdev-create",
        {"options": {"driver": "qcow2", "file": "file", "size": 1 << 20}})
    guest.qmp("blockdev-add", {"driver": "qcow2", "node-name": "disk", "file": "file"})
