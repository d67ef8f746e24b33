/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm64 guests under KVM: the virtual count is the host's less an offset, never
 * scaled. KVM tells the count, not the offset, so that is read between two host
 * counter reads, many times over.
 */
#include "backend.h"

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

static bool kvm_is_active(void)
{
    return &kvm_allowed && kvm_allowed && kvm_vcpu_ioctl;
}

static void kvm_read_vm(struct tcs_vm_report *vm)
{
    vm->host_khz = (uint32_t)(tcs_counter_hz() / 1000);
    if (!vm->running) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "QEMU sets the guest's virtual count anew when the VM runs "
                 "again (unless its CPUs have kvm-no-adjvtime=on)");
    }
}

static void kvm_read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                          struct tcs_vcpu_report *vcpu)
{
    struct tcs_offset_span span = { 0 };
    uint64_t guest = 0;
    struct kvm_one_reg reg = {
        .id = KVM_REG_ARM_TIMER_CNT,
        .addr = (uintptr_t)&guest,
    };

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t before = tcs_counter_before();
        int ret = kvm_vcpu_ioctl(cpu, KVM_GET_ONE_REG, &reg);
        uint64_t after = tcs_counter_after();

        if (ret < 0) {
            snprintf(vcpu->reason, sizeof(vcpu->reason),
                     "KVM does not tell the guest's virtual count (%s)",
                     strerror(-ret));
            return;
        }
        tcs_offset_span_add(&span, before, guest, after);
        if (i == 0) {
            vcpu->counter_before = before;
        }
        vcpu->counter_after = after;
    }
    if (!tcs_offset_span_to_map(&span, 1, 0, &vcpu->map)) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "the guest's virtual count moved against the host's counter "
                 "while it was read");
        return;
    }
    vcpu->has_map = true;
    vcpu->guest_khz = vm->host_khz;
    vcpu->source = "kvm-one-reg";
    vcpu->ratio_source = "unity";
}

static const char *const targets[] = { "aarch64", NULL };

const struct tcs_backend tcs_backend_kvm_arm64 = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = kvm_is_active,
    .read_vm = kvm_read_vm,
    .read_vcpu = kvm_read_vcpu,
};
