# SPDX-License-Identifier: GPL-2.0-or-later
"""ppc64 on real KVM HV: the timebase's offset is exact."""
import arch_checks
import arch_traces
from arch_machines import ArchHost
from arch_checks import NEEDS  # noqa: F401

# The register that changes the timebase leaves its low 24 bits alone, so an offset is a multiple.
STEP = 1 << 24
# Less than such a step is rounded away.
STOPPED_SECONDS = 0.2


def check_host(t):
    """L1 boots with KVM HV"""
    t.counter = "ppc-tb"
    t.arch = t.closing(ArchHost(t.workshop, "ppc64el"))
    t.arch.check("test -c /dev/kvm")


def check_offset(t):
    """the offset is exact, and one that the hardware can add"""
    t.guest = t.arch.boot_guest("g1", cid=3)
    # Whether it is the true one is judged by pairs, below.
    offset = arch_checks.query(t.guest)["vcpus"][0]["offset"]
    t.truth = lambda: offset
    for _ in range(20):
        vcpu, = arch_checks.held(t, t.guest)["vcpus"]
        assert vcpu["bound-ticks"] == 0 and vcpu["offset"] % STEP == 0, vcpu
    t.note(vcpu)


def check_show(t):
    """show: every clock has an offset"""
    arch_checks.show_all(t)


def check_ftrace(t):
    """ftrace's ppc-tb is the timebase"""
    arch_checks.ftrace_counter(t)


def check_record(t):
    """record: 200 samples without a contradiction, the offset the same in all"""
    arch_checks.record(t)


def check_pairs(t):
    """guest timebase readings between host ones leave room for that offset"""
    low, high = -2**64, 2**64
    for sample in t.samples:
        first, last = sample["window"]  # the host's, around the whole sample
        for reading in sample["guest"]["readings"]:
            low = max(low, reading["counter-after"] - last)
            high = min(high, reading["counter-before"] - first)
    assert low <= t.truth() <= high, (low, high)
    # One where the machine is quiet enough; three were seen on a very busy one, after 16 samples.
    t.note(f"from {low} to {high}; the offset is {t.truth()}, one of "
           f"{high // STEP - -(-low // STEP) + 1} that are possible")


def check_export(t):
    """export: what perf takes is the true offset, within the bound told"""
    arch_checks.export(t)


def check_traces(t):
    """apply, check and trace-cmd: no event of the guest's outside its vCPU's windows"""
    arch_traces.apply_and_check(t, "ppc-tb", ("ppc-tb", "local"))


def check_stop_and_cont(t):
    """stop and cont: QEMU sets the timebase anew, and that is an epoch"""
    vcpu, = arch_checks.stop_and_cont(t, STOPPED_SECONDS)["vcpus"]
    assert vcpu["bound-ticks"] == 0 and vcpu["offset"] % STEP == 0, vcpu
    # It refuses a guest whose counter was read outside of the time it was asked in.
    arch_checks.show_ok(t.arch, t.where, arch_checks.SECONDS)
