/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inverse of tcs_host_readings_at(): when a clock showed a value. Pure.
 */
#ifndef CLOCKSYNC_MOMENT_H
#define CLOCKSYNC_MOMENT_H

#include "reading.h"

/*
 * Every moment at which a clock may have been in `value`, given readings of it
 * and the rates it may run at in between: the intersection of what each reading
 * says, so that the nearest on either side decide. `value` may have unknown
 * ends, n may be 0; ends of the moment that nothing bounds are 0 and 2^64 - 1.
 *
 * Returns 0, or -EDOM where no moment is left: the readings contradict each
 * other under `rate`, or the clock showed the value at no counter value.
 */
int tcs_host_readings_when(const struct tcs_host_reading *readings, size_t n,
                           struct tcs_ns_span value, struct tcs_rate_span rate,
                           struct tcs_host_span *ret_when);

#endif
