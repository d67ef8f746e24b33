# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of four vCPUs, one after the other because L1 has two CPUs: real traces by trace-cmd's own
correction and by `apply`, and every host's clock with every guest's. By hand, as kvm_apply."""
import machines
import tracecmd
import traces
from channel import Failure

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
machines.BOOT_SECONDS = 150
SPEEDS = (("unscaled", "host"), ("scaled", "host,tsc-frequency=1000000000"))
HOST_CLOCKS = ("x86-tsc", "mono", "boot")


def hold(t, name, cpu):
    guest = t.host.boot_guest(name, cid=3, vcpus=4, cpu=cpu, memory=320)
    traces.prepare(t.host, guest)
    wrong = []
    for clock in ("x86-tsc", "mono"):
        try:
            theirs, ours = tracecmd.beside(t.workshop, t.host, guest, clock)
        except Failure as e:
            # Its agent's protocol breaks off now and then; that is no fault of the correction.
            t.note(f"{name}, both {clock}: trace-cmd's own recording failed: {str(e)[:200]}")
            continue
        t.note(f"{name}, both {clock}: trace-cmd ({theirs['protocol']}): {theirs['outside']} of "
               f"{theirs['judged']} outside by up to {theirs['worst']}, {theirs['not-judged']} not "
               "judged; " + traces.line("apply", clock, clock, ours))
        if not traces.is_right(ours):
            wrong.append(ours)
    for host_clock in HOST_CLOCKS:
        found = traces.Round(t.workshop, t.host, [guest], host_clock, traces.GUEST_CLOCKS)
        for _, clock, *files in found.found:
            result = traces.applied(t.workshop.build, *files)
            t.note(traces.line(name, host_clock, clock, result))
            if not traces.is_right(result):
                wrong.append(result)
    guest.quit()
    assert not wrong, wrong


def check_unscaled(t):
    """four vCPUs at the host's rate: every pair of clocks, no event outside its windows"""
    hold(t, *SPEEDS[0])


def check_scaled(t):
    """four vCPUs of 1 GHz: the same"""
    hold(t, *SPEEDS[1])
