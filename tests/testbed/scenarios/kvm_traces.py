# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traces of a host and of a guest that is scaled and moves to another QEMU while it is traced:
each side's log puts its part on the host's timeline. kvm_traces_4 and scripts/measure have more pairs of clocks."""
import shutil
import time

import howto
import moves
import traces
from machines import Guest
from measure import wait_for

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
VM = {"vcpus": 2, "cpu": "host,tsc-frequency=1000000000", "memory": 256}
SOCKET = "/run/move.sock"
DONE = "/run/guest-done"


def check_boot(t):
    """two vCPUs of 1 GHz"""
    t.vm = t.host.boot_guest("m1", cid=3, **VM)
    traces.prepare(t.host, t.vm)


def check_quiet(t):
    """host mono, guest local: no event outside its windows"""
    found = traces.Round(t.workshop, t.host, [t.vm], "mono", ("local",))
    t.note("\n".join(found.said))
    (guest, clock, *files), = found.found
    result = traces.applied(t.workshop.build, *files)
    t.note(traces.line(guest.name, "mono", clock, result))
    assert traces.is_right(result), result


def check_howto(t):
    """the commands of docs/howto-trace-cmd.md, as they stand there"""
    t.note(howto.run(t.host, t.vm))


def check_readme(t):
    """README's commands for a VM without libvirt, and the examples of --help"""
    t.note(howto.readme(t.host, t.vm))


def side(t, title, here, log, host_clock, clock):
    """What is to be known of one side's part of a trace that saw a move."""
    files = [here / f"{title}-{name}" for name in ("host.dat", "guest.dat")]
    for name, file in zip(("host.dat", "guest.dat"), files):
        shutil.copy(here / name, file)
    result = traces.applied(t.workshop.build, log, *files)
    t.note(traces.line(title, host_clock, clock, result))
    t.note(result["apply-said"])
    return result


def move(t, number, host_clock, clock):
    """Traces host and guest over a live migration; each side's log judges its part."""
    old = t.vm
    new = Guest(t.host, f"m{number + 1}", cid=3 + number, args=["-incoming", f"unix:{SOCKET}"], **VM)
    before = traces.Log(t.host, old, (clock,))
    trace = traces.HostTrace(t.host, host_clock)
    old.check(f"rm -f {DONE}; cd /run && (trace-cmd record -e sched -e irq -C {clock} -o guest.dat "
              f"sh -c 'until [ -e {DONE} ]; do {traces.LOAD}; done'; touch {DONE}.too) "
              "</dev/null >/run/guest.log 2>&1 &")
    wait_for(old, "[ $(cat /sys/kernel/tracing/events/sched/enable) = 1 ]", 60)
    before.more()
    time.sleep(2)
    moves.move(old, new, SOCKET)
    t.note(f"moved: {moves.migration(new)}")
    traces.wait_for_agent(t.host, new)
    after = traces.Log(t.host, new, (clock,))
    time.sleep(2)
    new.check(f"touch {DONE}")
    wait_for(new, f"[ -e {DONE}.too ]", 100)
    new.check(f"rm -f {DONE}.too")
    trace.stop()
    after.more()
    t.note(f"before: {before.stop()}\nafter: {after.stop()}")
    here = t.workshop.directory / f"move-{clock}"
    here.mkdir(exist_ok=True)
    traces.fetch(t.host, "/run/host.dat", here / "host.dat")
    traces.fetch(new, "/run/guest.dat", here / "guest.dat")
    logs = [traces.fetch(t.host, log.path, here / f"{n}.tcs")
            for n, log in (("before", before), ("after", after))]
    if t.workshop.keep_logs:
        shutil.copytree(here, t.workshop.keep_logs / here.name, dirs_exist_ok=True)
    old.quit()
    t.vm = new
    results = [side(t, log.stem, here, log, host_clock, clock) for log in logs]
    for result in results:
        assert traces.is_right(result), result
        # The other side's part is not judged here.
        assert result["not-judged"] > 100, result


def check_move_mono(t):
    """a live migration in the middle; host x86-tsc, guest mono: each side's part is right"""
    move(t, 1, "x86-tsc", "mono")


def check_move_counter(t):
    """and another one; host mono, guest x86-tsc"""
    move(t, 2, "mono", "x86-tsc")
