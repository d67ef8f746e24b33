/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * riscv64 guests under KVM: the hardware adds an offset (htimedelta) to the
 * time counter, never a scale. KVM tells the guest's count, not the offset.
 */
#include <linux/kvm.h>
#include <stddef.h>

#include "kvm-one-reg.h"

#define TIME     KVM_REG_RISCV_TIMER_REG(time)
#define REGISTER (KVM_REG_RISCV | KVM_REG_RISCV_TIMER | KVM_REG_SIZE_U64 | TIME)

static void read_vm(struct tcs_vm_report *vm)
{
    tcs_kvm_one_reg_read_vm(vm, "QEMU sets the guest's time counter anew when "
                                "the VM runs again");
}

static void read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                      struct tcs_vcpu_report *vcpu)
{
    tcs_kvm_one_reg_read_count(cpu, REGISTER, "the guest's time counter", vm,
                               vcpu);
}

static const char *const targets[] = { "riscv64", NULL };

const struct tcs_backend tcs_backend_kvm_riscv64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcs_kvm_one_reg_is_active,
    .read_vm = read_vm,
    .read_vcpu = read_vcpu,
};
