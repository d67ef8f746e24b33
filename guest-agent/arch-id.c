/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two witnesses, as each may be wrong: CPUID is not intercepted in user space
 * by some hypervisors (Xen PV, PVM) and then names a CPU of the host, and
 * /proc/cpuinfo is renumbered in some containers. One block per architecture.
 */
#include "arch-id.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#include <inttypes.h>
#include <stdio.h>

#define LEAF_FEATURES 0x1
#define LEAF_TOPOLOGY 0xb

bool tga_arch_id_here(uint32_t *ret_arch_id)
{
    unsigned int a, b, c, d;

    /* The topology leaf has all 32 bits, but is all zero where not known. */
    if (__get_cpuid_count(LEAF_TOPOLOGY, 0, &a, &b, &c, &d) && b != 0) {
        *ret_arch_id = d;
        return true;
    }
    if (__get_cpuid(LEAF_FEATURES, &a, &b, &c, &d)) {
        *ret_arch_id = b >> 24;
        return true;
    }
    return false;
}

static void confirm(GArray *cpus, int cpu, uint32_t arch_id)
{
    for (guint i = 0; i < cpus->len; i++) {
        struct tga_cpu *entry = &g_array_index(cpus, struct tga_cpu, i);

        if (entry->cpu == cpu && entry->arch_id != arch_id) {
            entry->has_arch_id = false;
        }
    }
}

void tga_arch_ids_confirm(GArray *cpus)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    uint32_t arch_id;
    int cpu = -1;

    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        sscanf(line, "processor : %d", &cpu);
        if (sscanf(line, "apicid : %" SCNu32, &arch_id) == 1) {
            confirm(cpus, cpu, arch_id);
        }
    }
    fclose(file);
}
#else
bool tga_arch_id_here(uint32_t *ret_arch_id)
{
    return false;
}

void tga_arch_ids_confirm(GArray *cpus)
{
}
#endif
