/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of counter backends.
 */
#include "backend.h"

#include <stddef.h>
#include <string.h>

/*
 * KVM's ioctls are those of the architecture this is compiled for, and a QEMU
 * that this is compiled into may be for another target.
 */
#pragma weak tcs_backend_kvm_arm64
#pragma weak tcs_backend_kvm_ppc64
#pragma weak tcs_backend_kvm_riscv64
#pragma weak tcs_backend_kvm_x86
#pragma weak tcs_backend_tcg_virtual
#pragma weak tcs_backend_tcg_x86

static const struct tcs_backend *const backends[] = {
    &tcs_backend_kvm_arm64, &tcs_backend_kvm_ppc64, &tcs_backend_kvm_riscv64,
    &tcs_backend_kvm_x86,   &tcs_backend_tcg_x86,   &tcs_backend_tcg_virtual,
};

#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* Of `backends`, those that know the target's guests. */
static bool is_chosen[N_BACKENDS];

static bool knows(const struct tcs_backend *backend, const char *target)
{
    const char *const *known = backend->targets;

    while (target && *known && strcmp(*known, target) != 0) {
        known++;
    }
    return *known != NULL;
}

bool tcs_backends_prepare(const char *target)
{
    bool any = false;

    for (size_t i = 0; i < N_BACKENDS; i++) {
        is_chosen[i] = backends[i] && knows(backends[i], target);
        any |= is_chosen[i];
        if (is_chosen[i] && backends[i]->prepare) {
            backends[i]->prepare();
        }
    }
    return any;
}

const struct tcs_backend *tcs_backend_active(void)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (is_chosen[i] && backends[i]->is_active()) {
            return backends[i];
        }
    }
    return NULL;
}

void tcs_backend_read_vm(enum tcs_source source, struct tcs_vm_report *ret_vm)
{
    *ret_vm = (struct tcs_vm_report){
        .backend = tcs_backend_active(),
        .source = source,
        .running = runstate_is_running(),
    };
    if (ret_vm->backend) {
        ret_vm->backend->read_vm(ret_vm);
    }
}
