/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a reading to a moment: the clock's distance to the value, divided by the
 * rate that takes it there soonest or latest.
 */
#include "moment.h"

#include <errno.h>

/* Beyond every counter value. */
#define FOREVER ((tcs_i128)1 << 100)

/*
 * Ticks in which the clock advances by `ns` (negative: before the reading) at
 * `rate`, rounded down or up.
 */
static tcs_i128 ticks_for(tcs_i128 ns, struct tcs_rate rate, bool up)
{
    if (ns == 0 || rate.ticks == 0) {
        return 0;
    }
    if (rate.ns == 0) {
        return ns > 0 ? FOREVER : -FOREVER;
    }
    return up ? tcs_ceil_div(ns * rate.ticks, rate.ns)
              : tcs_floor_div(ns * rate.ticks, rate.ns);
}

/* The earliest moment by one reading. */
static tcs_i128 earliest(const struct tcs_host_reading *reading, int64_t value,
                         struct tcs_rate_span rate)
{
    if (value == INT64_MIN || reading->value.hi == INT64_MAX) {
        return -FOREVER;
    }
    tcs_i128 ns = (tcs_i128)value - reading->value.hi;

    return (tcs_i128)reading->when.lo.ticks +
           ticks_for(ns, ns >= 0 ? rate.hi : rate.lo, false);
}

/* The latest. */
static tcs_i128 latest(const struct tcs_host_reading *reading, int64_t value,
                       struct tcs_rate_span rate)
{
    if (value == INT64_MAX || reading->value.lo == INT64_MIN) {
        return FOREVER;
    }
    tcs_i128 ns = (tcs_i128)value - reading->value.lo;

    return (tcs_i128)reading->when.hi.ticks +
           ticks_for(ns, ns >= 0 ? rate.lo : rate.hi, true);
}

int tcs_host_readings_when(const struct tcs_host_reading *readings, size_t n,
                           struct tcs_ns_span value, struct tcs_rate_span rate,
                           struct tcs_host_span *ret_when)
{
    tcs_i128 lo = 0, hi = UINT64_MAX;

    for (size_t i = 0; i < n; i++) {
        tcs_i128 from = earliest(&readings[i], value.lo, rate);
        tcs_i128 to = latest(&readings[i], value.hi, rate);

        lo = from > lo ? from : lo;
        hi = to < hi ? to : hi;
    }
    if (lo > hi) {
        return -EDOM;
    }
    ret_when->lo.ticks = (uint64_t)lo;
    ret_when->hi.ticks = (uint64_t)hi;
    return 0;
}
