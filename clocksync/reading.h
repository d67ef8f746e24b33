/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readings: a clock's value between two reads of the counter, taken in one
 * place on one CPU. The clock had that value at some moment between the two
 * counter reads. Nothing is assumed about where between them.
 */
#ifndef CLOCKSYNC_READING_H
#define CLOCKSYNC_READING_H

#include <stddef.h>
#include <stdint.h>

#include "counter-map.h"
#include "span.h"
#include "ticks.h"

/* As a guest sees it. `value` spans the clock's resolution. */
struct tcs_guest_reading {
    struct tcs_guest_ticks before;
    struct tcs_guest_ticks after;
    struct tcs_ns_span value;
};

/*
 * On the host's counter: at some moment in `when` the clock was in `value`.
 *
 * A counter shows whole ticks: what it showed as c was anything from c up to,
 * but not including, c + 1. So a moment in `when` is one in the real interval
 * [when.lo, when.hi + 1), and so is a moment in every struct tcs_host_span here
 * and in lines.h and timeline.h; a single tick is an interval as well.
 */
struct tcs_host_reading {
    struct tcs_host_span when;
    struct tcs_ns_span value;
};

/*
 * A clock that shows value_ns with a resolution of resolution_ns has truly
 * reached a value in [value_ns, value_ns + resolution_ns]. INT64_MAX, and so
 * everything above, is no value: the span is unknown then.
 */
struct tcs_ns_span tcs_clock_value(int64_t value_ns, uint32_t resolution_ns);

/*
 * A rate in nanoseconds per host tick as a fraction, ticks > 0 and both below
 * 2^62; { 1, 0 } as the upper end of a span means "no upper end is known".
 */
struct tcs_rate {
    uint64_t ns;
    uint64_t ticks;
};

struct tcs_rate_span {
    struct tcs_rate lo;
    struct tcs_rate hi;
};

/* Sign of a - b; ticks == 0 is above all others. */
int tcs_rate_compare(struct tcs_rate a, struct tcs_rate b);

/* What is known of any clock that never runs backward. */
#define TCS_RATE_SPAN_MONOTONE \
    ((struct tcs_rate_span){ .lo = { 0, 1 }, .hi = { 1, 0 } })

/*
 * ns / ticks (below 2^126, ticks > 0) with both halved until they fit, rounded
 * down or up; up may give "no upper end is known".
 */
struct tcs_rate tcs_rate_from_wide(tcs_u128 ns, tcs_u128 ticks, bool up);

/*
 * The span widened outward by a relative `ppm` (at most 1,000,000) on both
 * sides.
 */
struct tcs_rate_span tcs_rate_span_widen(struct tcs_rate_span rate,
                                         uint32_t ppm);

/*
 * The guest's reading placed on the host's counter through the map of the vCPU
 * it was taken on. `near`: any host counter of about that time.
 * Returns what tcs_counter_map_to_host() returns.
 */
int tcs_guest_reading_on_host(const struct tcs_counter_map *map,
                              const struct tcs_guest_reading *guest,
                              struct tcs_host_ticks near,
                              struct tcs_host_reading *ret_host);

/*
 * Puts readings of one clock, taken on any CPUs, into their order, and of those
 * whose brackets have a tick in common keeps the tightest, since which was
 * taken first is not known: the one that leaves the fewest ns open where the
 * clock runs at `rate` (ticks == 0: the shortest bracket). Returns how many
 * remain.
 */
size_t tcs_host_readings_tidy(struct tcs_host_reading *readings, size_t n,
                              struct tcs_rate rate);

/*
 * Every value the clock may have at any moment of `at`, given one reading and
 * the rates the clock may run at in between. Before the reading the clock is
 * followed backward.
 */
struct tcs_ns_span
tcs_host_reading_extrapolate(const struct tcs_host_reading *reading,
                             struct tcs_host_span at,
                             struct tcs_rate_span rate);

/*
 * The same from many readings of one clock: the intersection, so that the
 * nearest reading on either side decides. n may be 0. The readings are in the
 * order they were taken and do not overlap (-EINVAL otherwise).
 * Returns 0, or -EDOM where the readings contradict each other under `rate`
 * (a stepped clock, or rates outside the assumption), wherever `at` is.
 */
int tcs_host_readings_at(const struct tcs_host_reading *readings, size_t n,
                         struct tcs_host_span at, struct tcs_rate_span rate,
                         struct tcs_ns_span *ret_value);

#endif
