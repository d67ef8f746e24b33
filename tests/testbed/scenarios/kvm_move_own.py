# SPDX-License-Identifier: GPL-2.0-or-later
"""trace-cmd's own correction (record -A) of a guest that moves to another QEMU meanwhile: what it leaves, for
docs/measurements.md. Run by hand, as it is trace-cmd that is looked at; kvm_traces moves guests that record by themselves."""
import moves
import tracecmd
import traces
from channel import Failure
from machines import Guest

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
CLOCK = "x86-tsc"
SOCKET = "/run/move.sock"


def record_over_move(t, number, **options):
    """Notes what trace-cmd says, which files it leaves, and what its report makes of them."""
    vm = t.host.boot_guest(f"own{number}", cid=number, memory=320, **options)
    traces.prepare(t.host, vm)
    tracecmd.start_agent(vm)
    new = Guest(t.host, f"moved{number}", cid=number + 10, memory=320, args=["-incoming", f"unix:{SOCKET}"], **options)
    before = traces.Log(t.host, vm, (CLOCK,))
    t.host.check("rm -f /run/host*.dat")
    pid = tracecmd.start_record(t.host, vm, CLOCK, "--tsync-interval 500")
    before.more()
    moves.move(vm, new, SOCKET)
    traces.wait_for_agent(t.host, new)
    new.check(f"for n in 1 2 3 4 5 6; do {traces.LOAD}; done", 120)
    try:
        t.note("trace-cmd: " + traces.stop(t.host, pid, "/run/host.log"))
    except Failure:
        t.note("trace-cmd did not end within 100 s of Ctrl-C, and is killed; it said: " + t.host.get("/run/host.log"))
        t.host.run("killall -9 trace-cmd")
    t.note("record: " + before.stop())
    t.note(t.host.check("cd /run && ls -l host*.dat*"))
    report = t.host.run(f"cd /run && trace-cmd report -i host.dat -i host-{vm.name}.dat | tail -n 3")
    t.note(f"trace-cmd report, status {report.status}: {report.out}{report.err}")
    vm.quit()
    new.quit()


def check_unscaled(t):
    """a guest of the host's frequency"""
    record_over_move(t, 3)


def check_scaled(t):
    """a guest of 1 GHz"""
    record_over_move(t, 4, cpu="host,tsc-frequency=1000000000")
