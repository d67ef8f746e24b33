/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking vCPUs for their counter mapping, all at once, each on its own thread.
 */
#ifndef QEMU_PLUGIN_VCPUS_H
#define QEMU_PLUGIN_VCPUS_H

#include <stddef.h>

#include "backend.h"

/* The longest that a query waits for vCPUs. */
#define TCS_VCPU_TIMEOUT_MS 1000

/* One more than the largest cpu-index the machine may have. */
int tcs_vcpus_limit(void);

/* Whether there is a vCPU of that index now. */
bool tcs_vcpu_exists(int cpu_index);

/*
 * Fills reports[i] for indices[i]; every index exists. Called on the main
 * thread with the big QEMU lock, which is given up while waiting, as
 * run_on_cpu() does. A vCPU that does not answer in time is reported with a
 * reason; it is not asked again while its answer is outstanding.
 */
void tcs_vcpus_ask(const struct tcs_backend *backend, enum tcs_source source,
                   const struct tcs_vm_report *vm, const int *indices, size_t n,
                   struct tcs_vcpu_report *reports);

#endif
