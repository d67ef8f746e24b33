# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traces of a host by boot and of a guest of four vCPUs, on one timeline. kvm_traces has two vCPUs and a scaled
guest; scripts/measure takes every pair of clocks."""
import traces

NEEDS = ("qemu-plugin/trace-clock-sync.so", "guest-agent/trace-clock-agent",
         "collector/trace-clock-sync")
HOST = {"l0": "scaling", "tools": True}
CLOCKS = ("x86-tsc", "boot")


def check_boot(t):
    """four vCPUs of the host's frequency"""
    t.vm = t.host.boot_guest("g4", cid=3, vcpus=4, memory=320)
    traces.prepare(t.host, t.vm)


def check_pairs(t):
    """host boot, guest x86-tsc and boot: no event outside its windows, on any of the four"""
    found = traces.Round(t.workshop, t.host, [t.vm], "boot", CLOCKS)
    t.note("\n".join(found.said))
    results = []
    for guest, clock, *files in found.found:
        results.append(traces.applied(t.workshop.build, *files))
        t.note(traces.line(guest.name, "boot", clock, results[-1]))
    for result in results:
        assert traces.is_right(result), result
