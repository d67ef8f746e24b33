/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ppc64 guests under KVM HV: the hardware adds an offset to the timebase on
 * entry and takes it away on exit, never a scale, and KVM tells that offset.
 */
#include "backend.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "clockread/counter-kind.h"
#include "clockread/counter.h"

static bool kvm_is_active(void)
{
    return &kvm_allowed && kvm_allowed && kvm_vcpu_ioctl;
}

static void kvm_read_vm(struct tcs_vm_report *vm)
{
    vm->host_khz = (uint32_t)(tcs_counter_hz() / 1000);
    if (!vm->running) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "QEMU sets the guest's timebase anew when the VM runs again");
    }
}

static void kvm_read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                          struct tcs_vcpu_report *vcpu)
{
    uint64_t offset = 0;
    struct kvm_one_reg reg = {
        .id = KVM_REG_PPC_TB_OFFSET,
        .addr = (uintptr_t)&offset,
    };
    int ret;

    vcpu->counter_before = tcs_counter_before();
    ret = kvm_vcpu_ioctl(cpu, KVM_GET_ONE_REG, &reg);
    vcpu->counter_after = tcs_counter_after();
    if (ret < 0) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "KVM does not tell the timebase's offset (%s): it must be "
                 "KVM HV",
                 strerror(-ret));
        return;
    }
    vcpu->has_map =
        tcs_counter_map_init(&vcpu->map, 1, 0, (int64_t)offset, 0) == 0;
    vcpu->guest_khz = vm->host_khz;
    vcpu->source = "kvm-one-reg";
    vcpu->ratio_source = "unity";
}

static const char *const targets[] = { "ppc64", NULL };

const struct tcs_backend tcs_backend_kvm_ppc64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = kvm_is_active,
    .read_vm = kvm_read_vm,
    .read_vcpu = kvm_read_vcpu,
};
