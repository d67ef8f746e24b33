/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine's counter at a moment, and the CPU it was read on. Knows
 * nothing of what came or goes at that moment.
 */
#ifndef GUEST_AGENT_STAMP_H
#define GUEST_AGENT_STAMP_H

#include <sched.h>
#include <stdint.h>

#include "clockread/counter.h"

struct tga_stamp {
    int cpu; /* -1: the thread was moved just then, the counter is no one's */
    uint64_t counter;
};

/* Not before anything the program has done until now. */
static inline struct tga_stamp tga_stamp_arrival(void)
{
    struct tga_stamp stamp = { .cpu = sched_getcpu() };

    stamp.counter = tcs_counter_after();
    if (sched_getcpu() != stamp.cpu) {
        stamp.cpu = -1;
    }
    return stamp;
}

/* Not after anything the program does from now on. */
static inline struct tga_stamp tga_stamp_departure(void)
{
    struct tga_stamp stamp = { .cpu = sched_getcpu() };

    stamp.counter = tcs_counter_before();
    if (sched_getcpu() != stamp.cpu) {
        stamp.cpu = -1;
    }
    return stamp;
}

#endif
