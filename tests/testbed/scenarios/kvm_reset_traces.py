# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traces of a guest that is reset while it is traced and the log goes on: what the host fetched
of the first boot, and a trace of the second one, each by the same log."""
import shutil

import tracecmd
import traces
from measure import start_agent, wait_booted_again

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"tools": True}
CLOCK = "mono"


def revive(t):
    """Returns when the guest has booted again."""
    wait_booted_again(t, t.vm)
    t.vm.check("mountpoint -q /sys/kernel/tracing || mount -t tracefs nodev /sys/kernel/tracing")
    start_agent(t.vm, "vsock")


def check_record(t):
    """record -A over a reset, then a trace of the second boot, in one log"""
    t.vm = t.host.boot_guest("g1", cid=3, memory=320, args=["-action", "reboot=reset"])
    traces.prepare(t.host, t.vm)
    tracecmd.start_agent(t.vm)
    log = traces.Log(t.host, t.vm, (CLOCK,))
    pid = tracecmd.start_record(t.host, t.vm, CLOCK)
    log.more()
    t.vm.qmp("system_reset")
    revive(t)
    log.more()
    traces.record_guest(t.vm, CLOCK)
    log.more()
    t.note("trace-cmd: " + traces.stop(t.host, pid, "/run/host.log"))
    t.note("record: " + log.stop())
    t.here = t.workshop.directory / "reset"
    t.here.mkdir()
    t.log = traces.fetch(t.host, log.path, t.here / "run.tcs")
    t.found = t.host.check("cd /run && ls -l *.dat*")
    t.note(t.found)
    traces.fetch(t.host, "/run/host.dat", t.here / "host.dat")
    t.second = traces.fetch(t.vm, f"/run/{CLOCK}.dat", t.here / "second.dat")
    t.first = traces.fetch(t.host, "/run/host-g1.dat", t.here / "first.dat")
    if t.workshop.keep_logs:
        shutil.copytree(t.here, t.workshop.keep_logs / "reset", dirs_exist_ok=True)


def copies(t, file, boot):
    host, guest = t.here / f"host-{boot}.dat", t.here / f"{boot}-{file.name}"
    shutil.copy(t.here / "host.dat", host)
    shutil.copy(file, guest)
    return t.log, host, guest


def right(t, file, boot):
    """Refused until the boot is named; then both referees find nothing wrong."""
    files = copies(t, file, boot)
    refused = traces.run(t.workshop.build, "apply", *files)
    t.note(f"without --boot: {refused.stderr}")
    assert refused.returncode == 4 and "--boot" in refused.stderr, refused
    result = traces.applied(t.workshop.build, *files, "--boot", boot)
    t.note(traces.line(f"boot {boot}", CLOCK, CLOCK, result))
    assert traces.is_right(result), result


def check_second(t):
    """the trace of the second boot, by its number: no event outside its windows"""
    right(t, t.second, "2")


def check_first(t):
    """what the host has of the first boot: told to have no events, or right"""
    refused = traces.run(t.workshop.build, "apply", *copies(t, t.first, "1"))
    t.note(refused.stderr)
    if "has no events" not in refused.stderr:
        right(t, t.first, "1")
