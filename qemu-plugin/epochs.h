/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mapping each vCPU had when: the history behind a reply's generation and
 * epochs. Bookkeeping only; safe to call from any thread.
 */
#ifndef QEMU_PLUGIN_EPOCHS_H
#define QEMU_PLUGIN_EPOCHS_H

#include <stddef.h>
#include <stdint.h>

#include "backend.h"

/* The history keeps this many epochs; older ones are dropped. */
#define TCS_EPOCHS_MAX 1024

/* Nothing that QEMU did: the guest, most likely. */
#define TCS_CAUSE_UNKNOWN "unknown"

struct tcs_epoch {
    int64_t generation;
    int cpu_index;
    uint64_t host_counter; /* at which the mapping was first seen */
    struct tcs_counter_map map;
    const char *cause; /* a string literal */
};

/*
 * Takes note of a mapping just read. The generation grows by one where it
 * differs from the one seen last for that vCPU (mappings known within a bound
 * differ where the bounds exclude each other), where that one was not stable
 * and this one is, or where the vCPU is a new one: none was known by its
 * cpu-index, or one that ran in another thread. An epoch begins where the
 * mapping is stable as well. `cause` is a string literal: what a difference is
 * due to; a new vCPU has a cause of its own.
 */
void tcs_epochs_note(const struct tcs_vcpu_report *vcpu, bool stable,
                     const char *cause);

int64_t tcs_epochs_generation(void);

/*
 * The history, oldest first. Returns the number of epochs; *ret_epochs is freed
 * by the caller with g_free().
 */
size_t tcs_epochs_copy(struct tcs_epoch **ret_epochs);

#endif
