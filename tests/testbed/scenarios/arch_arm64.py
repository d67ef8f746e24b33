# SPDX-License-Identifier: GPL-2.0-or-later
"""arm64 on real KVM: the virtual counter's offset, which KVM tells nobody, lies within its bound."""
import arch_checks
import arch_traces
from arch_machines import ArchHost
from arch_checks import NEEDS  # noqa: F401

# KVM's own function through which every offset goes; its second argument is host - guest.
PROBE = "p:voff update_vtimer_cntvoff voff=%x1:u64"
TRACING = "/sys/kernel/tracing"
# Of its own, as trace-cmd record ends what goes on in the main one.
INSTANCE = f"{TRACING}/instances/truth"


def truth(host):
    """The offset that KVM set last, exactly, as a kprobe saw it go by."""
    lines = [line for line in host.check(f"cat {INSTANCE}/trace").splitlines() if "voff=" in line]
    return -int(lines[-1].rpartition("voff=")[2])


def check_host(t):
    """L1 boots with KVM, and the kernel lets a kprobe see the offsets it sets"""
    t.counter = "arm-cntvct"
    t.arch = t.closing(ArchHost(t.workshop, "arm64"))
    t.truth = lambda: truth(t.arch)
    t.arch.check(f"mount -t tracefs nodev {TRACING} && echo '{PROBE}' >{TRACING}/kprobe_events && "
                 f"mkdir {INSTANCE} && echo 1 >{INSTANCE}/events/kprobes/voff/enable")


def check_offset(t):
    """2 vCPUs: each offset, give or take its bound, holds the one that KVM set"""
    t.guest = t.arch.boot_guest("g1", cid=3, vcpus=2)
    widest = 0
    for _ in range(20):
        reply = arch_checks.held(t, t.guest)
        widest = max([widest, *(v["bound-ticks"] for v in reply["vcpus"])])
    assert widest > 0, "a measured offset cannot be exact"
    t.note(f"truth {t.truth()}; widest bound {widest} ticks of {reply['host-counter-khz']} kHz")


def check_show(t):
    """show: every clock has an offset"""
    arch_checks.show_all(t)


def check_record(t):
    """record: 200 samples without a contradiction, every offset within its bound"""
    arch_checks.record(t)


def check_export(t):
    """export: what perf takes is the true offset, within the bound told"""
    arch_checks.export(t)


def check_traces(t):
    """apply, check and trace-cmd: no event of the guest's outside its vCPU's windows"""
    arch_traces.apply_and_check(t, "mono", ("mono", "local"))


def check_stop_and_cont(t):
    """stop and cont: QEMU sets the count anew (kvm-adjvtime), and that is an epoch"""
    arch_checks.stop_and_cont(t)
    arch_checks.held(t, t.guest)


def check_no_adjvtime(t):
    """kvm-no-adjvtime=on: the count goes on while stopped, and the offset stays"""
    t.guest.quit()
    t.guest = t.arch.boot_guest("g2", cid=4, cpu="host,kvm-no-adjvtime=on")
    before = arch_checks.held(t, t.guest)
    t.guest.qmp("stop")
    t.guest.qmp("cont")
    after = arch_checks.held(t, t.guest)
    assert after["generation"] == before["generation"], (before, after)
