/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which CPU of the hypervisor's a CPU is: its hardware identifier (x86: APIC
 * id). Knows nothing of clocks and does not choose the CPU.
 */
#ifndef GUEST_AGENT_ARCH_ID_H
#define GUEST_AGENT_ARCH_ID_H

#include "clocks.h"

/*
 * The identifier of the CPU the thread is on at that moment, as the CPU itself
 * says. False where there is none.
 */
bool tga_arch_id_here(uint32_t *ret_arch_id);

/* Drops from `cpus` (struct tga_cpu) each identifier the kernel disputes. */
void tga_arch_ids_confirm(GArray *cpus);

#endif
