/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 guests under TCG: the guest's TSC is the host's plus one offset that is
 * the same for all vCPUs. QEMU tells the sum only, so the offset is measured
 * by reading that sum between two host counter reads.
 */
#include "backend.h"

#include <stdio.h>

#include "clockread/counter.h"

#define TCG_SHIFT 32
/* More hardly narrow the bound, and the vCPU keeps QEMU's lock meanwhile. */
#define TCG_SAMPLES 64
/* QEMU sets its counter forward where it would run backward. One that is set
 * more often than this while it is read has no offset. */
#define TCG_STEPS_MAX 4

static bool tcg_is_active(void)
{
    return &tcg_allowed && tcg_allowed && cpus_get_elapsed_ticks;
}

static void tcg_read_vm(struct tcs_vm_report *vm)
{
    if (&use_icount && use_icount) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "-icount drives the guest's counter by executed "
                 "instructions, not by the host's counter");
    } else if (!vm->running) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "TCG freezes the guest's counter while the VM is stopped; "
                 "the offset changes until it runs again");
    }
}

static void tcg_read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                          struct tcs_vcpu_report *vcpu)
{
    /* offset = guest - host for some host in [before, after]. */
    int64_t lo = 0, hi = 0;
    int steps = 0;

    for (int i = 0; i < TCG_SAMPLES; i++) {
        uint64_t before = tcs_counter_before();
        uint64_t guest = (uint64_t)cpus_get_elapsed_ticks();
        uint64_t after = tcs_counter_after();
        int64_t sample_lo = (int64_t)(guest - after);
        int64_t sample_hi = (int64_t)(guest - before);

        if (i == 0) {
            lo = sample_lo;
            hi = sample_hi;
            vcpu->counter_before = before;
        } else if (vm->unstable[0]) {
            /* It moves: the samples need not have an offset in common. */
            lo = sample_lo < lo ? sample_lo : lo;
            hi = sample_hi > hi ? sample_hi : hi;
        } else if (sample_lo > hi || sample_hi < lo) {
            /* What was read so far is no more: the offset is a new one. */
            lo = sample_lo;
            hi = sample_hi;
            vcpu->counter_before = before;
            steps++;
        } else {
            lo = sample_lo > lo ? sample_lo : lo;
            hi = sample_hi < hi ? sample_hi : hi;
        }
        vcpu->counter_after = after;
    }
    /* A stop that came meanwhile looks like a step at each sample after it. */
    if (steps > TCG_STEPS_MAX || (steps > 0 && !runstate_is_running())) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "the guest counter moved against the host's while it was "
                 "read");
        return;
    }

    uint64_t width = (uint64_t)hi - (uint64_t)lo;

    vcpu->has_map =
        tcs_counter_map_init(&vcpu->map, (uint64_t)1 << TCG_SHIFT, TCG_SHIFT,
                             (int64_t)((uint64_t)lo + width / 2),
                             width - width / 2) == 0;
    vcpu->source = "tcg";
    vcpu->ratio_source = "unity";
}

static const char *const targets[] = { "x86_64", "i386", NULL };

const struct tcs_backend tcs_backend_tcg_x86 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcg_is_active,
    .read_vm = tcg_read_vm,
    .read_vcpu = tcg_read_vcpu,
};
