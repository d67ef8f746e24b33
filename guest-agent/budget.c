/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See budget.h.
 */
#include "budget.h"

/* A second of work is regained in so many seconds. */
#define REGAIN 2

static void regain(struct tga_budget *budget, int64_t now_us)
{
    int64_t gained_us = (now_us - budget->at_us) / REGAIN;

    budget->spent_us =
        gained_us < budget->spent_us ? budget->spent_us - gained_us : 0;
    budget->at_us += gained_us * REGAIN; /* the odd one counts next time */
}

void tga_budget_spend(struct tga_budget *budget, int64_t now_us, int64_t cpu_us)
{
    regain(budget, now_us);
    budget->spent_us += cpu_us;
    /* One long request must not close the door for as long again. */
    if (budget->spent_us > 2 * TGA_BUDGET_BURST_US) {
        budget->spent_us = 2 * TGA_BUDGET_BURST_US;
    }
}

int64_t tga_budget_wait_us(struct tga_budget *budget, int64_t now_us)
{
    regain(budget, now_us);
    return budget->spent_us > TGA_BUDGET_BURST_US
               ? (budget->spent_us - TGA_BUDGET_BURST_US) * REGAIN
               : 0;
}
