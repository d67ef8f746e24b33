/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bracketed readings and what follows from them at other moments. Pure.
 */
#include "reading.h"

#include <assert.h>

#define PPM        1000000u
#define RATE_LIMIT ((tcs_u128)1 << 62)
/* Beyond every sum of a clock value and an advance: rounds to unknown. */
#define UNBOUNDED ((tcs_i128)1 << 126)

struct tcs_ns_span tcs_clock_value(int64_t value_ns, uint32_t resolution_ns)
{
    return tcs_ns_span_from_wide(value_ns, (tcs_i128)value_ns + resolution_ns);
}

/* ns / ticks with both halved until they fit, rounded down or up. */
static struct tcs_rate rate_from_wide(tcs_u128 ns, tcs_u128 ticks, int up)
{
    while (ns >= RATE_LIMIT || ticks >= RATE_LIMIT) {
        ns = up ? (ns + 1) / 2 : ns / 2;
        ticks = up ? ticks / 2 : (ticks + 1) / 2;
    }
    return (struct tcs_rate){ .ns = (uint64_t)ns, .ticks = (uint64_t)ticks };
}

struct tcs_rate_span tcs_rate_span_widen(struct tcs_rate_span rate,
                                         uint32_t ppm)
{
    assert(ppm <= PPM);
    struct tcs_rate_span wide = {
        .lo = rate_from_wide((tcs_u128)rate.lo.ns * (PPM - ppm),
                             (tcs_u128)rate.lo.ticks * PPM, 0),
        .hi = { 1, 0 },
    };

    if (rate.hi.ticks != 0) {
        wide.hi = rate_from_wide((tcs_u128)rate.hi.ns * (PPM + ppm),
                                 (tcs_u128)rate.hi.ticks * PPM, 1);
    }
    return wide;
}

int tcs_guest_reading_on_host(const struct tcs_counter_map *map,
                              const struct tcs_guest_reading *guest,
                              struct tcs_host_ticks near,
                              struct tcs_host_reading *ret_host)
{
    struct tcs_host_span when;
    int ret =
        tcs_counter_map_to_host(map, guest->before, guest->after, near, &when);

    if (ret < 0) {
        return ret;
    }
    *ret_host = (struct tcs_host_reading){
        .when = when,
        .value = guest->value,
    };
    return 0;
}

/* Ticks from `from` to `to`, below 2^64 in magnitude. */
static tcs_i128 elapsed(struct tcs_host_ticks from, struct tcs_host_ticks to)
{
    return (tcs_i128)to.ticks - from.ticks;
}

/* The least a clock can advance in dt ticks (negative: backward in time). */
static tcs_i128 advance_min(tcs_i128 dt, struct tcs_rate_span rate)
{
    struct tcs_rate slope = dt < 0 ? rate.hi : rate.lo;

    if (slope.ticks == 0) {
        return -UNBOUNDED;
    }
    return tcs_floor_div(dt * (tcs_i128)slope.ns, slope.ticks);
}

/* The most a clock can advance in dt ticks. */
static tcs_i128 advance_max(tcs_i128 dt, struct tcs_rate_span rate)
{
    struct tcs_rate slope = dt < 0 ? rate.lo : rate.hi;

    if (slope.ticks == 0) {
        return dt == 0 ? 0 : UNBOUNDED;
    }
    return tcs_ceil_div(dt * (tcs_i128)slope.ns, slope.ticks);
}

struct tcs_ns_span
tcs_host_reading_extrapolate(const struct tcs_host_reading *reading,
                             struct tcs_host_span at, struct tcs_rate_span rate)
{
    tcs_i128 lo = -UNBOUNDED;
    tcs_i128 hi = UNBOUNDED;

    if (reading->value.lo != INT64_MIN) {
        lo = reading->value.lo +
             advance_min(elapsed(reading->when.hi, at.lo), rate);
    }
    if (reading->value.hi != INT64_MAX) {
        hi = reading->value.hi +
             advance_max(elapsed(reading->when.lo, at.hi), rate);
    }
    return tcs_ns_span_from_wide(lo, hi);
}

int tcs_host_readings_at(const struct tcs_host_reading *readings, size_t n,
                         struct tcs_host_span at, struct tcs_rate_span rate,
                         struct tcs_ns_span *ret_value)
{
    struct tcs_ns_span value = TCS_NS_SPAN_UNKNOWN;

    for (size_t i = 0; i < n; i++) {
        int ret = tcs_ns_span_intersect(
            value, tcs_host_reading_extrapolate(&readings[i], at, rate),
            &value);

        if (ret < 0) {
            return ret;
        }
    }
    *ret_value = value;
    return 0;
}
