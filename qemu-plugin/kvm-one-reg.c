/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See kvm-one-reg.h.
 */
#include "kvm-one-reg.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "clockread/counter-kind.h"
#include "clockread/counter.h"

bool tcs_kvm_one_reg_is_active(void)
{
    return &kvm_allowed && kvm_allowed && kvm_vcpu_ioctl;
}

void tcs_kvm_one_reg_read_vm(struct tcs_vm_report *vm, const char *reason)
{
    vm->host_khz = (uint32_t)(tcs_counter_hz() / 1000);
    if (!vm->running) {
        snprintf(vm->unstable, sizeof(vm->unstable), "%s", reason);
    }
}

bool tcs_kvm_one_reg_read(CPUState *cpu, uint64_t id, const char *what,
                          struct tcs_vcpu_report *vcpu, uint64_t *ret_value)
{
    struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)ret_value };
    int ret;

    vcpu->counter_before = tcs_counter_before();
    ret = kvm_vcpu_ioctl(cpu, KVM_GET_ONE_REG, &reg);
    vcpu->counter_after = tcs_counter_after();
    if (ret < 0) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "KVM does not tell %s (%s)", what, strerror(-ret));
    }
    return ret >= 0;
}

void tcs_kvm_one_reg_finish(const struct tcs_vm_report *vm,
                            struct tcs_vcpu_report *vcpu)
{
    vcpu->has_map = true;
    vcpu->guest_khz = vm->host_khz;
    vcpu->source = "kvm-one-reg";
    vcpu->ratio_source = "unity";
}
