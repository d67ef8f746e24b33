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
#include "offset-span.h"

/*
 * A read takes a microsecond, some ticks. Where it falls between two ticks
 * differs from one to the next, so many narrow the offset down.
 */
#define SAMPLES 64

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

void tcs_kvm_one_reg_read_count(CPUState *cpu, uint64_t id, const char *what,
                                const struct tcs_vm_report *vm,
                                struct tcs_vcpu_report *vcpu)
{
    struct tcs_offset_span span = { 0 };
    uint64_t first = 0;

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t guest;

        if (!tcs_kvm_one_reg_read(cpu, id, what, vcpu, &guest)) {
            return;
        }
        tcs_offset_span_add(&span, vcpu->counter_before, guest,
                            vcpu->counter_after);
        first = i == 0 ? vcpu->counter_before : first;
    }
    vcpu->counter_before = first;
    if (!tcs_offset_span_to_map(&span, 1, 0, &vcpu->map)) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "%s moved against the host's counter while it was read", what);
        return;
    }
    tcs_kvm_one_reg_finish(vm, vcpu);
}

void tcs_kvm_one_reg_finish(const struct tcs_vm_report *vm,
                            struct tcs_vcpu_report *vcpu)
{
    vcpu->has_map = true;
    vcpu->guest_khz = vm->host_khz;
    vcpu->source = "kvm-one-reg";
    vcpu->ratio_source = "unity";
}
