# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traces of a host and its guests, put on one timeline: by `apply`, judged by trace-cmd's report
and by `check`. scripts/measure takes every pair of clocks; here are some of each kind."""
import howto
import machines
import tracecmd
import traces

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
# Two guests beside each other, on a busy machine; a hang is what this is to tell.
machines.BOOT_SECONDS = 150


def boot(t, name, cid, **options):
    guest = t.host.boot_guest(name, cid=cid, memory=320, **options)
    traces.prepare(t.host, guest)
    return guest


def hold(t, host_clock, guest_clocks):
    found = traces.Round(t.workshop, t.host, t.guests, host_clock, guest_clocks)
    t.note("\n".join(found.said))
    wrong = []
    for guest, clock, *files in found.found:
        result = traces.applied(t.workshop.build, *files)
        t.note(traces.line(guest.name, host_clock, clock, result))
        if not traces.is_right(result):
            wrong.append((guest.name, clock, result))
    assert not wrong, wrong


def check_boot(t):
    """four vCPUs at the host's rate, and one of 1 GHz"""
    t.guests = [boot(t, "four", 3, vcpus=4),
                boot(t, "slow", 4, vcpus=1, cpu="host,tsc-frequency=1000000000")]


def check_mono(t):
    """host mono, guest local and x86-tsc: no event outside its windows"""
    hold(t, "mono", ("local", "x86-tsc"))


def check_counter(t):
    """host x86-tsc, guest mono and boot: no event outside its windows"""
    hold(t, "x86-tsc", ("mono", "boot"))


def check_trace_cmds_own(t):
    """record -A of a scaled guest: trace-cmd's correction is found wrong, ours right"""
    guest = t.guests[1]
    theirs, ours = tracecmd.beside(t.workshop, t.host, guest, "x86-tsc")
    t.note(f"trace-cmd: {theirs['said']}\n" + traces.line("ours", "x86-tsc", "x86-tsc", ours))
    assert theirs["status"] == 4 and traces.is_right(ours), (theirs, ours)


def check_howto(t):
    """the commands of docs/howto-trace-cmd.md, as they stand there"""
    t.note(howto.run(t.host, t.guests[0]))
