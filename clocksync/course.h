/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock's value at a moment beside which it was read many times. The nearest
 * reading alone leaves open as much as the clock's rate may be off on the way
 * from there; many together tell the rate.
 *
 * Assumed of the clock over the readings that are used (those within `reach`
 * of the moment): its rate is in `allowed` and varies by at most `wander_ppm`,
 * except for at most one moment, at which it may take another rate in
 * `allowed`. So one side of the moment that is asked for keeps its rate, and
 * the clock's value is on a line through all readings of that side. Which side
 * it is need not be known: the answer is what either allows.
 */
#ifndef CLOCKSYNC_COURSE_H
#define CLOCKSYNC_COURSE_H

#include <stddef.h>

#include "reading.h"

struct tcs_course {
    struct tcs_rate_span allowed; /* with a known upper end */
    uint64_t reach_ticks;
    uint32_t wander_ppm; /* at most 1000 */
};

/*
 * Every value the clock may have at any moment of `at`. Readings as in
 * tcs_host_readings_at(), whose answer this one is never wider than; where
 * either side has too few readings, or its readings are on no line (its rate
 * changed among them), it is that answer.
 * Returns 0; -EDOM and -EINVAL as tcs_host_readings_at(); -ENOMEM.
 */
int tcs_course_at(const struct tcs_host_reading *readings, size_t n,
                  struct tcs_host_span at, const struct tcs_course *course,
                  struct tcs_ns_span *ret_value);

#endif
