/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What readers of trace.dat make of a TIME_SHIFT option: their arithmetic, so
 * that a correction can be judged by what will be seen.
 */
#include "trace-dat.h"

#include <errno.h>

/* The point before which `ts` lies, at least 1 and at most n - 1; n >= 2. */
static size_t upper_point(struct tcs_trace_dat_shift shift, uint64_t ts)
{
    size_t lo = 1, hi = shift.n - 1;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (ts < shift.points[middle].time) {
            hi = middle;
        } else {
            lo = middle + 1;
        }
    }
    return lo;
}

int tcs_trace_dat_corrected(struct tcs_trace_dat_shift shift, uint64_t ts,
                            uint64_t *ret_ts)
{
    const struct tcs_trace_dat_point *a, *b;
    int64_t distance, rise, run, product;

    if (shift.n == 1) {
        *ret_ts = ts + (uint64_t)shift.points[0].offset;
        return 0;
    }
    b = &shift.points[upper_point(shift, ts)];
    a = b - 1;
    distance = (int64_t)(ts - a->time);
    run = (int64_t)(b->time - a->time);
    if (run <= 0 || (distance < 0) != (ts < a->time) ||
        __builtin_sub_overflow(b->offset, a->offset, &rise) ||
        __builtin_mul_overflow(distance, rise, &product) ||
        __builtin_add_overflow(product, run / 2, &product)) {
        return -ERANGE;
    }
    *ret_ts = ts + (uint64_t)a->offset + (uint64_t)(product / run);
    return 0;
}
