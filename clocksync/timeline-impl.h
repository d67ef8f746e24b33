/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two halves of a timeline share: values at a moment (timeline.c) and
 * moments of a value (timeline-when.c).
 */
#ifndef CLOCKSYNC_TIMELINE_IMPL_H
#define CLOCKSYNC_TIMELINE_IMPL_H

#include "timeline.h"

/* The rates of the clock's course in interval i; false where it is a gap. */
bool tcs_timeline_course(const struct tcs_timeline *timeline, size_t i,
                         struct tcs_rate_span *ret_rate);

struct tcs_ns_span tcs_timeline_hull(struct tcs_ns_span a,
                                     struct tcs_ns_span b);

/*
 * The values in interval i at those moments of `at` that may belong to it.
 * Returns 0, or -ENODATA where it is a gap.
 */
int tcs_timeline_interval_value(const struct tcs_timeline *timeline, size_t i,
                                struct tcs_host_span at,
                                struct tcs_ns_span *ret_value);

/* The number of readings that end before `moment`. */
size_t tcs_timeline_readings_before(const struct tcs_timeline *timeline,
                                    struct tcs_host_ticks moment);

/* The first interval of [first, last) where `value` has been reached, or last.
 */
size_t tcs_timeline_first_reached(const struct tcs_timeline *timeline,
                                  size_t first, size_t last,
                                  struct tcs_ns_span value);

/* Fills what tcs_timeline_when() searches. Returns 0 or -ENOMEM. */
int tcs_timeline_prepare_search(struct tcs_timeline *timeline);

#endif
