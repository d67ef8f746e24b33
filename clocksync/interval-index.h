/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of many closed intervals have a point in common with another one, one
 * hit after the other, each found in logarithmic time.
 */
#ifndef CLOCKSYNC_INTERVAL_INDEX_H
#define CLOCKSYNC_INTERVAL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcs_interval {
    uint64_t lo;
    uint64_t hi; /* not below lo */
    size_t id;   /* the caller's */
};

/* Owns what it points to. */
struct tcs_interval_index {
    struct tcs_interval *sorted; /* by lo */
    size_t n;
    uint64_t *greatest; /* a tree over the intervals' ends; leaves last */
    size_t leaves;      /* a power of two, not below n */
};

/* A signed number's place among unsigned ones: keeps the order. */
static inline uint64_t tcs_interval_point(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)1 << 63;
}

/*
 * Fills *ret_index with copies; tcs_interval_index_clear() frees it. n may be
 * 0. Returns 0 or -ENOMEM.
 */
int tcs_interval_index_init(struct tcs_interval_index *ret_index,
                            const struct tcs_interval *intervals, size_t n);
void tcs_interval_index_clear(struct tcs_interval_index *index);

/*
 * The next interval that meets [lo, hi]: *cursor is 0 at first and moves on;
 * the order is that of the intervals' beginnings. False where there is no
 * more.
 */
bool tcs_interval_index_next(const struct tcs_interval_index *index,
                             uint64_t lo, uint64_t hi, size_t *cursor,
                             size_t *ret_id);

#endif
