/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking vCPUs for their counter mapping, all at once, each on its own thread.
 */
#ifndef QEMU_PLUGIN_VCPUS_H
#define QEMU_PLUGIN_VCPUS_H

#include <glib.h>
#include <stddef.h>

#include "backend.h"

/* The longest that a query waits for vCPUs. */
#define TCS_VCPU_TIMEOUT_MS 1000

/* One more than the largest cpu-index the machine may have. */
int tcs_vcpus_limit(void);

/* Whether there is a vCPU of that index now that is not being unplugged. */
bool tcs_vcpu_exists(int cpu_index);

/* The indices of all vCPUs, ascending: of int, to be freed by the caller. */
GArray *tcs_vcpus_all(void);

/*
 * Fills reports[i] for indices[i] (of int); every index exists, and the VM has
 * a backend. Called on the main thread with the big QEMU lock, which is given
 * up while waiting, as run_on_cpu() does. A vCPU that does not answer in time
 * is reported with a reason; it is not asked again while its answer is
 * outstanding. What the answers show goes into the history (epochs.h), changes
 * with `cause`, a string literal.
 */
void tcs_vcpus_ask(const struct tcs_vm_report *vm, const GArray *indices,
                   const char *cause, struct tcs_vcpu_report *reports);

/*
 * Asks every vCPU for the history alone, and does not wait. A vCPU answers
 * before it does any work that is given to it later, and before it runs the
 * guest again. `cause` is a string literal: what a change is due to.
 */
void tcs_vcpus_observe(const struct tcs_vm_report *vm, const char *cause);

#endif
