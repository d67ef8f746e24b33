/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which CPUs the calling thread may run, and holding it on one.
 */
#ifndef CLOCKREAD_AFFINITY_H
#define CLOCKREAD_AFFINITY_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>

#define TCS_CPU_END 8192 /* CPU numbers are below (Linux's own limit) */

struct tcs_cpu_set {
    cpu_set_t sets[TCS_CPU_END / CPU_SETSIZE];
};

/* `cpu` is from 0 to TCS_CPU_END - 1. */
static inline bool tcs_cpu_set_has(const struct tcs_cpu_set *set, int cpu)
{
    return CPU_ISSET_S((size_t)cpu, sizeof(*set), set->sets);
}

/* Returns 0 or -errno. */
static inline int tcs_affinity_get(struct tcs_cpu_set *ret_set)
{
    CPU_ZERO_S(sizeof(*ret_set), ret_set->sets);
    return sched_getaffinity(0, sizeof(*ret_set), ret_set->sets) < 0 ? -errno
                                                                     : 0;
}

/*
 * Puts the thread on `cpu` (from 0 to TCS_CPU_END - 1) and keeps it there.
 * Returns 0; -EINVAL where the CPU is not online or not allowed; another
 * -errno.
 */
static inline int tcs_affinity_hold(int cpu)
{
    struct tcs_cpu_set set;

    CPU_ZERO_S(sizeof(set), set.sets);
    CPU_SET_S((size_t)cpu, sizeof(set), set.sets);
    return sched_setaffinity(0, sizeof(set), set.sets) < 0 ? -errno : 0;
}

/*
 * As it was. Fails only where none of the saved CPUs is left; Linux would have
 * widened the mask in that case too.
 */
static inline void tcs_affinity_restore(const struct tcs_cpu_set *saved)
{
    sched_setaffinity(0, sizeof(*saved), saved->sets);
}

#endif
