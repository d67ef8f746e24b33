/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading this machine's hardware counter, ordered against a clock read. One
 * block per architecture; nothing else in the project reads a counter. What is
 * known of counters that may be another machine's is in counter-kind.h.
 */
#ifndef CLOCKREAD_COUNTER_H
#define CLOCKREAD_COUNTER_H

#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
#define TCS_COUNTER_NAME "x86-tsc"

/* Completes before any later instruction starts. */
static inline uint64_t tcs_counter_before(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Starts after every earlier instruction has completed. */
static inline uint64_t tcs_counter_after(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}
#elif defined(__aarch64__)
#define TCS_COUNTER_NAME "arm-cntvct"

/*
 * The virtual counter: what Linux lets programs read, and the only one that is
 * a guest's own. A barrier holds back what follows it, not the read before it.
 */
static inline uint64_t tcs_counter_before(void)
{
    uint64_t count;

    __asm__ volatile("mrs %0, cntvct_el0\n\tisb" : "=r"(count) : : "memory");
    return count;
}

static inline uint64_t tcs_counter_after(void)
{
    uint64_t count;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
    return count;
}
#elif defined(__powerpc64__)
#define TCS_COUNTER_NAME "ppc-tb"

static inline uint64_t tcs_counter_before(void)
{
    uint64_t count;

    __asm__ volatile("mftb %0\n\tisync" : "=r"(count) : : "memory");
    return count;
}

static inline uint64_t tcs_counter_after(void)
{
    uint64_t count;

    __asm__ volatile("isync\n\tmftb %0" : "=r"(count) : : "memory");
    return count;
}
#elif defined(__riscv) && __riscv_xlen == 64
#define TCS_COUNTER_NAME "riscv-time"

/* To a fence, reading a control register is input from a device. */
static inline uint64_t tcs_counter_before(void)
{
    uint64_t count;

    __asm__ volatile("rdtime %0\n\tfence i, iorw" : "=r"(count) : : "memory");
    return count;
}

static inline uint64_t tcs_counter_after(void)
{
    uint64_t count;

    __asm__ volatile("fence iorw, i\n\trdtime %0" : "=r"(count) : : "memory");
    return count;
}
#else
#error "no counter is known for this architecture: add a block above"
#endif

#endif
