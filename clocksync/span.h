/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closed intervals. Every operation rounds outward: the true value stays
 * inside. An end that cannot be represented becomes "unknown"; it never turns
 * into a narrow interval at the edge of the number range.
 */
#ifndef CLOCKSYNC_SPAN_H
#define CLOCKSYNC_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "ticks.h"

typedef __int128 tcs_i128;
typedef unsigned __int128 tcs_u128;

/*
 * Nanoseconds, lo <= hi. lo == INT64_MIN means "no lower end is known",
 * hi == INT64_MAX means "no upper end is known".
 */
struct tcs_ns_span {
    int64_t lo;
    int64_t hi;
};

/* Host counter values, lo <= hi. Never wraps: see counter-map.h. */
struct tcs_host_span {
    struct tcs_host_ticks lo;
    struct tcs_host_ticks hi;
};

#define TCS_NS_SPAN_UNKNOWN \
    ((struct tcs_ns_span){ .lo = INT64_MIN, .hi = INT64_MAX })

/*
 * The span [lo, hi] of wide values, lo <= hi. Ends outside int64_t become
 * unknown; a span wholly outside becomes TCS_NS_SPAN_UNKNOWN.
 */
struct tcs_ns_span tcs_ns_span_from_wide(tcs_i128 lo, tcs_i128 hi);

/* Whether both ends are known. */
bool tcs_ns_span_is_bounded(struct tcs_ns_span span);

/* { x - y | x in minuend, y in subtrahend }; unknown ends stay unknown. */
struct tcs_ns_span tcs_ns_span_subtract(struct tcs_ns_span minuend,
                                        struct tcs_ns_span subtrahend);

/*
 * Both at once. Returns 0, or -EDOM where the spans have no common value (the
 * data contradict each other); then *ret_span is untouched.
 */
int tcs_ns_span_intersect(struct tcs_ns_span a, struct tcs_ns_span b,
                          struct tcs_ns_span *ret_span);

/*
 * The form people read: centre and bound, such that the span lies within
 * [centre - bound, centre + bound]. bound is the smallest that does.
 * Returns 0, or -ERANGE where an end is unknown.
 */
int tcs_ns_span_centre(struct tcs_ns_span span, int64_t *ret_centre_ns,
                       uint64_t *ret_bound_ns);

/*
 * Quotients of wide integers, rounded down and up. denominator > 0.
 */
tcs_i128 tcs_floor_div(tcs_i128 numerator, tcs_i128 denominator);
tcs_i128 tcs_ceil_div(tcs_i128 numerator, tcs_i128 denominator);

#endif
