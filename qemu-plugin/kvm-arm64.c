/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm64 guests under KVM: the virtual count is the host's less an offset, never
 * scaled. KVM tells the count, not the offset, so that is read between two host
 * counter reads, many times over.
 */
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>

#include "kvm-one-reg.h"
#include "offset-span.h"

/*
 * A read takes a microsecond, some ticks. Where it falls between two ticks
 * differs from one to the next, so many narrow the offset down.
 */
#define SAMPLES 64

static void read_vm(struct tcs_vm_report *vm)
{
    tcs_kvm_one_reg_read_vm(vm, "QEMU sets the guest's virtual count anew when "
                                "the VM runs again (unless its CPUs have "
                                "kvm-no-adjvtime=on)");
}

static void read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                      struct tcs_vcpu_report *vcpu)
{
    struct tcs_offset_span span = { 0 };
    uint64_t first = 0;

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t guest;

        if (!tcs_kvm_one_reg_read(cpu, KVM_REG_ARM_TIMER_CNT,
                                  "the guest's virtual count", vcpu, &guest)) {
            return;
        }
        tcs_offset_span_add(&span, vcpu->counter_before, guest,
                            vcpu->counter_after);
        first = i == 0 ? vcpu->counter_before : first;
    }
    vcpu->counter_before = first;
    if (!tcs_offset_span_to_map(&span, 1, 0, &vcpu->map)) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "the guest's virtual count moved against the host's counter "
                 "while it was read");
        return;
    }
    tcs_kvm_one_reg_finish(vm, vcpu);
}

static const char *const targets[] = { "aarch64", NULL };

const struct tcs_backend tcs_backend_kvm_arm64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcs_kvm_one_reg_is_active,
    .read_vm = read_vm,
    .read_vcpu = read_vcpu,
};
