# SPDX-License-Identifier: GPL-2.0-or-later
"""riscv64 on real KVM: the time counter's offset, which KVM tells nobody, lies within its bound."""
import arch_checks
import arch_traces
from arch_machines import ArchHost
from arch_checks import NEEDS  # noqa: F401
from gdb_stub import GdbStub

VCPUS = 2


def truth(t):
    """What the emulated hardware adds to its time counter for the guest, exactly."""
    with GdbStub(t.arch.gdb) as stub:
        number = stub.number("riscv-csr.xml", "htimedelta")
        deltas = {stub.read(cpu, number) for cpu in range(VCPUS)}
    # Each CPU has the one that it loaded last, for its vCPU: a VM has one offset.
    delta, = deltas
    return delta - (delta >> 63 << 64)


def check_host(t):
    """L1 boots with KVM"""
    t.counter = "riscv-time"
    t.arch = t.closing(ArchHost(t.workshop, "riscv64"))
    t.truth = lambda: truth(t)
    t.arch.check("test -c /dev/kvm")


def check_offset(t):
    """2 vCPUs: each offset, give or take its bound, holds the one that the hardware adds"""
    t.guest = t.arch.boot_guest("g1", cid=3, vcpus=VCPUS)
    for vcpu in arch_checks.query(t.guest)["vcpus"]:
        t.arch.check(f"taskset -p {1 << vcpu['cpu-index']:x} {vcpu['thread-id']}")
    widest = 0
    for _ in range(20):
        reply = arch_checks.held(t, t.guest)
        widest = max([widest, *(v["bound-ticks"] for v in reply["vcpus"])])
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
    """stop and cont: QEMU sets the counter anew, and that is an epoch"""
    arch_checks.stop_and_cont(t)
    arch_checks.held(t, t.guest)
