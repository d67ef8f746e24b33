/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remembers each vCPU's last mapping and counts the changes seen.
 */
#ifndef QEMU_PLUGIN_GENERATION_H
#define QEMU_PLUGIN_GENERATION_H

#include <stddef.h>
#include <stdint.h>

#include "backend.h"

/*
 * Takes note of what was just read and returns the generation: it grows by one
 * for every report whose mapping differs from the one seen last for that
 * cpu-index (mappings known within a bound differ where the bounds exclude
 * each other). With the big QEMU lock held.
 */
int64_t tcs_generation_update(const struct tcs_vcpu_report *reports, size_t n);

#endif
