/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One clock over the host's counter, from many readings: its value at a moment,
 * and the moments at which it showed a value. Pure.
 *
 * What is assumed (docs/error-model.md, "Between samples"):
 * - the rate is always within `allowed`;
 * - apart from events the rate varies by at most TCS_WANDER_PPM within any two
 *   neighbouring intervals between readings;
 * - an event moves the clock off its course in one direction: another rate
 *   from then on (at once or by and by within one interval), a small step, or
 *   a slew of any length. Or it is a step in either direction together with
 *   another rate;
 * - between two events lies at least one whole interval without any. (A slew's
 *   beginning and end count as one event where there is none between them.)
 *   Before the first reading and after the last there is no step, as far as
 *   `reach` goes.
 *
 * So an interval with an event in it has a neighbour without one on the side,
 * or sides, that matter; and the clock is between two courses of its
 * neighbours' mean rates, the one from the reading before and the one to the
 * reading after. That is what is told, whether an event shows or not: one that
 * is smaller than the bounds does not show. Without two known neighbours the
 * courses have any rate in `allowed`. Where not even `allowed` explains an
 * interval's mean rate it is a gap, and nothing is known inside.
 */
#ifndef CLOCKSYNC_TIMELINE_H
#define CLOCKSYNC_TIMELINE_H

#include <stddef.h>

#include "interval-index.h"
#include "reading.h"

/* Between two crystals, or a counter and a clock made of it: both wander. */
#define TCS_WANDER_PPM 1

/* A stretch without a gap: readings `first` to `last`. */
struct tcs_timeline_stretch {
    size_t first;
    size_t last;
};

/* Owns what it points to. Interval i lies between readings i and i + 1. */
struct tcs_timeline {
    struct tcs_rate_span allowed;
    /* Where there may have been a step beyond the readings: nothing is known
     * outside. All readings are inside. Everything, unless set. */
    struct tcs_host_span reach;
    struct tcs_host_reading *readings;
    size_t n;
    size_t capacity;
    size_t dropped; /* readings that met tighter ones */
    bool is_finished;

    /* Once finished: what tcs_timeline_when() searches. */
    struct tcs_timeline_stretch *stretches;
    size_t n_stretches;
    /* The highest value in an interval and those before it in its stretch; the
     * lowest one in it and those after it. */
    int64_t *reached_ns;
    int64_t *ahead_ns;
    struct tcs_interval_index values; /* of stretches */
};

/* An empty one. */
void tcs_timeline_init(struct tcs_timeline *timeline,
                       struct tcs_rate_span allowed);
void tcs_timeline_clear(struct tcs_timeline *timeline);

/*
 * Adds a reading, in any order.
 * Returns 0; -EINVAL for one with an unknown end; -ENOMEM.
 */
int tcs_timeline_add(struct tcs_timeline *timeline,
                     const struct tcs_host_reading *reading);

/*
 * After the last reading and before the first question. Of readings that may
 * have been taken at the same time the tightest is kept: see
 * tcs_host_readings_tidy(). Returns 0 or -ENOMEM.
 */
int tcs_timeline_finish(struct tcs_timeline *timeline);

/*
 * Every value the clock may have reached at any moment of `at` (what it showed
 * is less by up to its resolution: tcs_clock_value()). An end may be unknown.
 * Returns 0; -ENODATA where `at` touches a gap, to which the brackets of the
 * readings on either side belong, or leaves `reach`, or there is no reading.
 */
int tcs_timeline_at(const struct tcs_timeline *timeline,
                    struct tcs_host_span at, struct tcs_ns_span *ret_value);

/*
 * Every moment at which the clock may have reached a value of `value`.
 * Returns 0; -ENODATA where that can only have been in a gap, or outside of
 * `reach`, or at no counter value, or there is no reading; -ENOTUNIQ where a
 * clock that was set in a gap may have done so before and after that, be it in
 * the gap itself. A gap is taken to hold one step, and no rate that is not
 * allowed.
 */
int tcs_timeline_when(const struct tcs_timeline *timeline,
                      struct tcs_ns_span value, struct tcs_host_span *ret_when);

/*
 * What the clock most likely had reached at a moment: on the straight line
 * between its readings, and beyond them on that through the outermost ones. No
 * promise: it may lie outside of what tcs_timeline_at() tells.
 * Returns 0; -ENODATA in a gap, or where there are no two readings.
 */
int tcs_timeline_likely_at(const struct tcs_timeline *timeline,
                           struct tcs_host_ticks at, int64_t *ret_ns);

/*
 * The moment of `when`, which is tcs_timeline_when()'s, at which the clock most
 * likely had reached a value. Returns as tcs_timeline_likely_at().
 */
int tcs_timeline_likely_when(const struct tcs_timeline *timeline, int64_t ns,
                             struct tcs_host_span when,
                             struct tcs_host_ticks *ret_when);

/* The number of gaps: how often the clock was stepped. */
size_t tcs_timeline_gaps(const struct tcs_timeline *timeline);

#endif
