/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ppc64 guests under KVM HV: the hardware adds an offset to the timebase on
 * entry and takes it away on exit, never a scale, and KVM tells that offset.
 */
#include <linux/kvm.h>
#include <stddef.h>

#include "kvm-one-reg.h"

static void read_vm(struct tcs_vm_report *vm)
{
    tcs_kvm_one_reg_read_vm(vm, "QEMU sets the guest's timebase anew when the "
                                "VM runs again");
}

static void read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                      struct tcs_vcpu_report *vcpu)
{
    uint64_t offset;

    if (tcs_kvm_one_reg_read(cpu, KVM_REG_PPC_TB_OFFSET,
                             "the timebase's offset, as KVM HV would", vcpu,
                             &offset) &&
        tcs_counter_map_init(&vcpu->map, 1, 0, (int64_t)offset, 0) == 0) {
        tcs_kvm_one_reg_finish(vm, vcpu);
    }
}

static const char *const targets[] = { "ppc64", NULL };

const struct tcs_backend tcs_backend_kvm_ppc64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcs_kvm_one_reg_is_active,
    .read_vm = read_vm,
    .read_vcpu = read_vcpu,
};
