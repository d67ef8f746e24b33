/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ftrace's "counter" over the host's counter: no time but a number that grows
 * by one with each event of any trace that uses it. Nothing is known of when
 * the numbers between two readings were given out but that they came in
 * between. Pure.
 *
 * A number that is not above an earlier reading's was given out by another
 * kernel (the guest was booted again): there a new run begins.
 */
#ifndef CLOCKSYNC_STAIRCASE_H
#define CLOCKSYNC_STAIRCASE_H

#include "interval-index.h"
#include "reading.h"

/* Readings `first` to `last`, whose numbers grow. */
struct tcs_staircase_run {
    size_t first;
    size_t last;
};

/* Owns what it points to. Begins as all zeroes. */
struct tcs_staircase {
    struct tcs_host_reading *readings; /* value.lo == value.hi: the number */
    size_t n;
    size_t capacity;
    size_t dropped; /* readings that met tighter ones */
    bool is_finished;
    struct tcs_staircase_run *runs;
    size_t n_runs;
    struct tcs_interval_index values; /* of runs */
};

void tcs_staircase_clear(struct tcs_staircase *staircase);

/*
 * The number `count` was given out at some moment in `when`; in any order.
 * Returns 0, -EINVAL for a negative number or a bracket upside down, -ENOMEM.
 */
int tcs_staircase_add(struct tcs_staircase *staircase,
                      struct tcs_host_span when, int64_t count);

/* After the last reading and before the first question. 0 or -ENOMEM. */
int tcs_staircase_finish(struct tcs_staircase *staircase);

/*
 * When the event with this number happened.
 * Returns 0; -ENODATA where it is not between two readings of one run;
 * -ENOTUNIQ where it is in several runs.
 */
int tcs_staircase_when(const struct tcs_staircase *staircase, int64_t count,
                       struct tcs_host_span *ret_when);

/*
 * The least and the greatest number that may have been the last one given out
 * at a moment of `at`, an event at that very moment included.
 * Returns 0; -ENODATA where `at` is not between two readings of one run.
 */
int tcs_staircase_at(const struct tcs_staircase *staircase,
                     struct tcs_host_span at, int64_t *ret_lo, int64_t *ret_hi);

#endif
