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

struct tcs_epoch {
    int64_t generation;
    int cpu_index;
    uint64_t host_counter; /* at which the mapping was first seen */
    struct tcs_counter_map map;
    const char *cause; /* a string literal */
};

/*
 * Takes note of a mapping just read. The generation grows by one where it
 * differs from the one seen last for that cpu-index (mappings known within a
 * bound differ where the bounds exclude each other); an epoch begins where it
 * is stable as well. `cause` is a string literal: why the mapping was read.
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
