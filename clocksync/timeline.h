/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One clock over the host's counter, from many readings: its value at a moment,
 * and the moments at which it showed a value. Pure.
 *
 * What is assumed (docs/error-model.md, "Between samples"): the rate is always
 * within `allowed`; and a rate, once changed, stays for at least one interval
 * between readings. So the rate inside an interval lies between the mean rates
 * of its neighbours. Where its own mean does not, the clock was set or slewed
 * there by a small amount at an unknown moment: then it followed its course
 * before that or the one after it. Where not even `allowed` explains the mean,
 * the interval is a gap, and nothing is known inside.
 */
#ifndef CLOCKSYNC_TIMELINE_H
#define CLOCKSYNC_TIMELINE_H

#include <stddef.h>

#include "reading.h"

/* Between two crystals, or a counter and a clock made of it: both wander. */
#define TCS_WANDER_PPM 1

struct tcs_timeline {
    struct tcs_rate_span allowed;
    struct tcs_host_reading *readings;
    size_t n;
    size_t capacity;
};

/* An empty one. */
void tcs_timeline_init(struct tcs_timeline *timeline,
                       struct tcs_rate_span allowed);
void tcs_timeline_clear(struct tcs_timeline *timeline);

/*
 * Adds a reading; they come in order and do not overlap.
 * Returns 0; -EINVAL for one out of order or with an unknown end; -ENOMEM.
 */
int tcs_timeline_add(struct tcs_timeline *timeline,
                     const struct tcs_host_reading *reading);

/*
 * Every value the clock may have shown at any moment of `at`.
 * Returns 0; -ENODATA where `at` touches a gap, or there is no reading.
 */
int tcs_timeline_at(const struct tcs_timeline *timeline,
                    struct tcs_host_span at, struct tcs_ns_span *ret_value);

/*
 * Every moment at which the clock may have shown a value of `value`.
 * Returns 0; -ENODATA where that can only have been in a gap, or there is no
 * reading; -ENOTUNIQ where a clock that was set back showed it
 * more than once.
 */
int tcs_timeline_when(const struct tcs_timeline *timeline,
                      struct tcs_ns_span value, struct tcs_host_span *ret_when);

/* The number of gaps: how often the clock was stepped. */
size_t tcs_timeline_gaps(const struct tcs_timeline *timeline);

#endif
