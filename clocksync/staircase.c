/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See staircase.h.
 */
#include "staircase.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void drop_search(struct tcs_staircase *staircase)
{
    free(staircase->runs);
    staircase->runs = NULL;
    staircase->n_runs = 0;
    tcs_interval_index_clear(&staircase->values);
    staircase->is_finished = false;
}

void tcs_staircase_clear(struct tcs_staircase *staircase)
{
    drop_search(staircase);
    free(staircase->readings);
    *staircase = (struct tcs_staircase){ .n = 0 };
}

int tcs_staircase_add(struct tcs_staircase *staircase,
                      struct tcs_host_span when, int64_t count)
{
    if (count < 0 || when.lo.ticks > when.hi.ticks) {
        return -EINVAL;
    }
    if (staircase->n == staircase->capacity) {
        size_t capacity = staircase->capacity ? 2 * staircase->capacity : 64;
        void *readings = reallocarray(staircase->readings, capacity,
                                      sizeof(staircase->readings[0]));

        if (!readings) {
            return -ENOMEM;
        }
        staircase->readings = readings;
        staircase->capacity = capacity;
    }
    staircase->readings[staircase->n++] = (struct tcs_host_reading){
        .when = when,
        .value = { count, count },
    };
    staircase->is_finished = false;
    return 0;
}

int tcs_staircase_finish(struct tcs_staircase *staircase)
{
    const struct tcs_rate shortest = { 1, 0 };
    size_t kept =
        tcs_host_readings_tidy(staircase->readings, staircase->n, shortest);
    struct tcs_staircase_run run = { 0, 0 };
    struct tcs_interval *values;
    int ret = -ENOMEM;

    staircase->dropped += staircase->n - kept;
    staircase->n = kept;
    drop_search(staircase);
    staircase->runs = reallocarray(NULL, kept + 1, sizeof(run));
    values = reallocarray(NULL, kept + 1, sizeof(*values));
    if (values && staircase->runs) {
        for (size_t i = 0; i < kept; i++) {
            const struct tcs_host_reading *at = &staircase->readings[i];

            if (i + 1 < kept && at[1].value.lo > at->value.lo) {
                continue;
            }
            run.last = i;
            values[staircase->n_runs] = (struct tcs_interval){
                (uint64_t)staircase->readings[run.first].value.lo,
                (uint64_t)at->value.lo,
                staircase->n_runs,
            };
            staircase->runs[staircase->n_runs++] = run;
            run.first = i + 1;
        }
        ret = tcs_interval_index_init(&staircase->values, values,
                                      staircase->n_runs);
    }
    free(values);
    staircase->is_finished = ret == 0;
    return ret;
}

int tcs_staircase_when(const struct tcs_staircase *staircase, int64_t count,
                       struct tcs_host_span *ret_when)
{
    size_t cursor = 0, found, other;

    assert(staircase->is_finished);
    if (count < 0 ||
        !tcs_interval_index_next(&staircase->values, (uint64_t)count,
                                 (uint64_t)count, &cursor, &found)) {
        return -ENODATA;
    }
    if (tcs_interval_index_next(&staircase->values, (uint64_t)count,
                                (uint64_t)count, &cursor, &other)) {
        return -ENOTUNIQ;
    }

    /* The last reading of the run that is not above it. */
    size_t lo = staircase->runs[found].first;
    size_t hi = staircase->runs[found].last;

    while (lo < hi) {
        size_t middle = lo + (hi - lo + 1) / 2;

        if (staircase->readings[middle].value.lo <= count) {
            lo = middle;
        } else {
            hi = middle - 1;
        }
    }
    *ret_when = staircase->readings[lo].when;
    if (staircase->readings[lo].value.lo < count) {
        ret_when->hi = staircase->readings[lo + 1].when.hi;
    }
    return 0;
}

/* How many readings were certainly taken before `moment`: a tick, or its end.
 */
static size_t taken_before(const struct tcs_staircase *staircase,
                           struct tcs_host_ticks moment)
{
    size_t lo = 0, hi = staircase->n;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (staircase->readings[middle].when.hi.ticks < moment.ticks) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* How many may have been taken by the end of `moment`. */
static size_t taken_by(const struct tcs_staircase *staircase,
                       struct tcs_host_ticks moment)
{
    size_t lo = 0, hi = staircase->n;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (staircase->readings[middle].when.lo.ticks <= moment.ticks) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* The run that a reading belongs to. */
static size_t run_of(const struct tcs_staircase *staircase, size_t reading)
{
    size_t lo = 0, hi = staircase->n_runs;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (staircase->runs[middle].last < reading) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

int tcs_staircase_at(const struct tcs_staircase *staircase,
                     struct tcs_host_span at, int64_t *ret_lo, int64_t *ret_hi)
{
    size_t before = taken_before(staircase, at.lo);
    size_t after = taken_by(staircase, at.hi);

    assert(staircase->is_finished);
    if (before == 0 || after == staircase->n) {
        return -ENODATA;
    }
    /* From the last reading before it all to the first one after it all. */
    if (run_of(staircase, before - 1) != run_of(staircase, after)) {
        return -ENODATA;
    }
    *ret_lo = staircase->readings[before - 1].value.lo;
    *ret_hi = staircase->readings[after].value.lo - 1;
    return 0;
}
