/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of counter backends.
 */
#include "backend.h"

#include <stddef.h>

/* A QEMU that this is compiled into may be for another target. */
#pragma weak tcs_backend_kvm_x86
#pragma weak tcs_backend_tcg_x86

static const struct tcs_backend *const backends[] = {
    &tcs_backend_kvm_x86,
    &tcs_backend_tcg_x86,
};

#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

void tcs_backends_prepare(void)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (backends[i] && backends[i]->prepare) {
            backends[i]->prepare();
        }
    }
}

const struct tcs_backend *tcs_backend_active(void)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (backends[i] && backends[i]->is_active()) {
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
