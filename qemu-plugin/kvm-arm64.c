/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm64 guests under KVM: the virtual count is the host's less an offset, never
 * scaled. KVM tells the count, not the offset.
 */
#include <linux/kvm.h>
#include <stddef.h>

#include "kvm-one-reg.h"

static void read_vm(struct tcs_vm_report *vm)
{
    tcs_kvm_one_reg_read_vm(vm, "QEMU sets the guest's virtual count anew when "
                                "the VM runs again (unless its CPUs have "
                                "kvm-no-adjvtime=on)");
}

static void read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                      struct tcs_vcpu_report *vcpu)
{
    tcs_kvm_one_reg_read_count(cpu, KVM_REG_ARM_TIMER_CNT,
                               "the guest's virtual count", vm, vcpu);
}

static const char *const targets[] = { "aarch64", NULL };

const struct tcs_backend tcs_backend_kvm_arm64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcs_kvm_one_reg_is_active,
    .read_vm = read_vm,
    .read_vcpu = read_vcpu,
};
