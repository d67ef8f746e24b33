/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What counters there are, whichever machine this is: a log may come from
 * another one. All are 64 bits wide and wrap at 2^64, also where the hardware
 * counts with fewer (Arm: at least 56, which last for decades): what a guest
 * sees is a difference modulo 2^64.
 */
#ifndef CLOCKREAD_COUNTER_KIND_H
#define CLOCKREAD_COUNTER_KIND_H

#include <stdbool.h>
#include <stdint.h>

struct tcs_counter_kind {
    const char *name;   /* as in replies and logs, and as a clock */
    const char *ftrace; /* ftrace's clock that shows it, or NULL */
    const char *absent; /* for messages: why another machine lacks it */
    /*
     * All vCPUs of a VM have one and the same mapping. For others that has to
     * be seen in what the hypervisor tells of each.
     */
    bool is_vm_wide;
};

/* Ends with a name of NULL. */
extern const struct tcs_counter_kind tcs_counter_kinds[];

/* By its name, or NULL. */
const struct tcs_counter_kind *tcs_counter_kind_find(const char *name);

/* By the name of ftrace's clock that shows it, or NULL. */
const struct tcs_counter_kind *tcs_counter_kind_of_ftrace(const char *clock);

/*
 * The frequency of this machine's counter in Hz, as the architecture tells it:
 * exact where it is a constant of the platform. 0 where it does not tell (x86).
 */
uint64_t tcs_counter_hz(void);

#endif
