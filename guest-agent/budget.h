/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of one CPU requests may take: half of it in the long run, and
 * BURST_US at once after a quiet time. Time is an argument; knows no requests.
 */
#ifndef GUEST_AGENT_BUDGET_H
#define GUEST_AGENT_BUDGET_H

#include <stdint.h>

#define TGA_BUDGET_BURST_US 1000000

/* All zero is a full one. Times are microseconds of a clock that only rises. */
struct tga_budget {
    int64_t spent_us; /* and not yet regained; at most twice the burst */
    int64_t at_us;    /* when that was so */
};

/* What was answered up to now has taken so much of the CPU. */
void tga_budget_spend(struct tga_budget *budget, int64_t now_us,
                      int64_t cpu_us);

/* How long to leave requests alone from now on; mostly 0. */
int64_t tga_budget_wait_us(struct tga_budget *budget, int64_t now_us);

#endif
