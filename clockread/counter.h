/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading this machine's hardware counter, ordered against a clock read. One
 * block per architecture; nothing else in the project reads a counter.
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
#else
#error "no counter is known for this architecture: add a block above"
#endif

#endif
