/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What backends share whose guest counter is the host's plus an offset, never
 * scaled, and which KVM tells by one of a vCPU's registers.
 */
#ifndef QEMU_PLUGIN_KVM_ONE_REG_H
#define QEMU_PLUGIN_KVM_ONE_REG_H

#include "backend.h"

/* A tcs_backend's is_active. */
bool tcs_kvm_one_reg_is_active(void);

/*
 * A tcs_backend's read_vm, where QEMU sets the guest's counter anew as the VM
 * runs again: that is the reason why no mapping lasts while it is stopped.
 */
void tcs_kvm_one_reg_read_vm(struct tcs_vm_report *vm, const char *reason);

/*
 * Reads the register of that id (KVM_REG_...), 64 bits wide, on the vCPU's own
 * thread, between two host counter reads, which are put into `vcpu`. `what`,
 * the register's meaning, is for the reason there, set where this is false.
 */
bool tcs_kvm_one_reg_read(CPUState *cpu, uint64_t id, const char *what,
                          struct tcs_vcpu_report *vcpu, uint64_t *ret_value);

/*
 * A tcs_backend's read_vcpu, where that register is the guest's counter itself:
 * it is read between two host counter reads, many times over, and the offset's
 * bound is what they leave. `vcpu` has either the whole report or a reason.
 */
void tcs_kvm_one_reg_read_count(CPUState *cpu, uint64_t id, const char *what,
                                const struct tcs_vm_report *vm,
                                struct tcs_vcpu_report *vcpu);

/* Fills the rest of a report whose map is set. */
void tcs_kvm_one_reg_finish(const struct tcs_vm_report *vm,
                            struct tcs_vcpu_report *vcpu);

#endif
