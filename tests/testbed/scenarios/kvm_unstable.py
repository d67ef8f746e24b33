# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that calls its TSC unstable: KVM rewrites offsets at every load, and we must say so."""
from measure import query

NEEDS = ("qemu-plugin/trace-clock-sync.so",)
# In place of tsc=reliable. Older kernels need the TSC to be marked, newer ones find out themselves.
HOST = {"kernel_args": "tsc=unstable"}


def check_host(t):
    """L1's kernel does not use its TSC as clocksource"""
    source = t.host.check("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    t.note(source)
    assert source != "tsc\n"


def check_unstable(t):
    """every vCPU says stable: false, with a reason"""
    guest = t.host.boot_guest("g1", cid=3, vcpus=2)
    reply = query(guest)
    for vcpu in reply["vcpus"]:
        assert vcpu["stable"] is False and vcpu["reason"], vcpu
        t.note(vcpu["reason"])
    # The host's realtime of the pair would be wrong without the master clock.
    assert "kvmclock" not in reply, reply["kvmclock"]
