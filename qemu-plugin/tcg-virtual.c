/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm64, ppc64 and riscv64 guests under TCG: QEMU makes their counter out of
 * its virtual clock, which is the host's CLOCK_MONOTONIC plus an offset. NTP
 * changes the rate of that against the host's counter at any tick, so there is
 * no mapping that lasts, and none is claimed.
 */
#include "backend.h"

#include <stdio.h>

static bool tcg_is_active(void)
{
    return &tcg_allowed && tcg_allowed;
}

static void tcg_read_vm(struct tcs_vm_report *vm)
{
}

static void tcg_read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                          struct tcs_vcpu_report *vcpu)
{
    snprintf(vcpu->reason, sizeof(vcpu->reason),
             "under TCG this guest's counter follows the host's mono clock, "
             "not its counter; leave --qmp out, so that its clocks are "
             "measured from outside");
}

static const char *const targets[] = { "aarch64", "ppc64", "riscv64", NULL };

const struct tcs_backend tcs_backend_tcg_virtual = {
    .targets = targets,
    .stops_with_vm = true,
    .is_active = tcg_is_active,
    .read_vm = tcg_read_vm,
    .read_vcpu = tcg_read_vcpu,
};
