/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See counter-kind.h.
 */
#include "counter-kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifdef __riscv
#include <asm/hwprobe.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

const struct tcs_counter_kind tcs_counter_kinds[] = {
    { "x86-tsc", "x86-tsc", "a counter that only x86 has", false },
    /* KVM sets it for all vCPUs whenever it sets it for one. */
    { "arm-cntvct", NULL, "a counter that only arm64 has", true },
    { "ppc-tb", "ppc-tb", "a counter that only ppc64 has", false },
    /* KVM has one offset for a VM. */
    { "riscv-time", NULL, "a counter that only riscv64 has", true },
    { NULL, NULL, NULL, false },
};

const struct tcs_counter_kind *tcs_counter_kind_find(const char *name)
{
    const struct tcs_counter_kind *kind = tcs_counter_kinds;

    while (kind->name && strcmp(kind->name, name) != 0) {
        kind++;
    }
    return kind->name ? kind : NULL;
}

const struct tcs_counter_kind *tcs_counter_kind_of_ftrace(const char *clock)
{
    const struct tcs_counter_kind *kind = tcs_counter_kinds;

    while (kind->name && (!kind->ftrace || strcmp(kind->ftrace, clock) != 0)) {
        kind++;
    }
    return kind->name ? kind : NULL;
}

#if defined(__aarch64__)
uint64_t tcs_counter_hz(void)
{
    uint64_t hz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}
#elif defined(__powerpc64__)
/* The kernel has it from the device tree, which not every program may read. */
uint64_t tcs_counter_hz(void)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    uint64_t hz = 0;

    while (file && fgets(line, sizeof(line), file) &&
           sscanf(line, "timebase : %" SCNu64, &hz) != 1) {
    }
    if (file) {
        fclose(file);
    }
    return hz;
}
#elif defined(__riscv)
/* Whichever firmware told the kernel. Linux 6.11 and later. */
uint64_t tcs_counter_hz(void)
{
    struct riscv_hwprobe hz = { .key = RISCV_HWPROBE_KEY_TIME_CSR_FREQ };

    /* What the kernel does not know gets the key -1. */
    if (syscall(__NR_riscv_hwprobe, &hz, 1, 0, NULL, 0) != 0 ||
        hz.key != RISCV_HWPROBE_KEY_TIME_CSR_FREQ) {
        return 0;
    }
    return hz.value;
}
#else
uint64_t tcs_counter_hz(void)
{
    return 0;
}
#endif
