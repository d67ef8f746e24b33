/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bracketed readings and what follows from them at other moments. Pure.
 */
#include "reading.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PPM        1000000u
#define RATE_LIMIT ((tcs_u128)1 << 62)
/* Beyond every sum of a clock value and an advance: rounds to unknown. */
#define UNBOUNDED (((tcs_i128)1 << 126) + ((tcs_i128)1 << 125))

struct tcs_ns_span tcs_clock_value(int64_t value_ns, uint32_t resolution_ns)
{
    return tcs_ns_span_from_wide(value_ns, (tcs_i128)value_ns + resolution_ns);
}

struct tcs_rate tcs_rate_from_wide(tcs_u128 ns, tcs_u128 ticks, bool up)
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
        .lo = tcs_rate_from_wide((tcs_u128)rate.lo.ns * (PPM - ppm),
                                 (tcs_u128)rate.lo.ticks * PPM, false),
        .hi = { 1, 0 },
    };

    if (rate.hi.ticks != 0) {
        wide.hi = tcs_rate_from_wide((tcs_u128)rate.hi.ns * (PPM + ppm),
                                     (tcs_u128)rate.hi.ticks * PPM, true);
    }
    return wide;
}

int tcs_rate_compare(struct tcs_rate a, struct tcs_rate b)
{
    tcs_u128 left = (tcs_u128)a.ns * b.ticks;
    tcs_u128 right = (tcs_u128)b.ns * a.ticks;

    return (left > right) - (left < right);
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* By their beginnings; the rest so that the order is always the same. */
static int compare_readings(const void *a, const void *b)
{
    const struct tcs_host_reading *left = a, *right = b;
    int order = compare_u64(left->when.lo.ticks, right->when.lo.ticks);

    if (order == 0) {
        order = compare_u64(left->when.hi.ticks, right->when.hi.ticks);
    }
    if (order == 0) {
        order = (left->value.lo > right->value.lo) -
                (left->value.lo < right->value.lo);
    }
    return order ? order
                 : (left->value.hi > right->value.hi) -
                       (left->value.hi < right->value.hi);
}

/* Whether `a` leaves less open than `b`. Below 2^64 * 2^62 each: it fits. */
static bool is_tighter(const struct tcs_host_reading *a,
                       const struct tcs_host_reading *b, struct tcs_rate rate)
{
    uint64_t run_a = a->when.hi.ticks - a->when.lo.ticks;
    uint64_t run_b = b->when.hi.ticks - b->when.lo.ticks;
    uint64_t wide_a = (uint64_t)a->value.hi - (uint64_t)a->value.lo;
    uint64_t wide_b = (uint64_t)b->value.hi - (uint64_t)b->value.lo;
    tcs_u128 open_a = (tcs_u128)wide_a * rate.ticks + (tcs_u128)run_a * rate.ns;
    tcs_u128 open_b = (tcs_u128)wide_b * rate.ticks + (tcs_u128)run_b * rate.ns;

    return open_a != open_b ? open_a < open_b : run_a < run_b;
}

size_t tcs_host_readings_tidy(struct tcs_host_reading *readings, size_t n,
                              struct tcs_rate rate)
{
    size_t kept = 0;

    if (n > 0) { /* none may be NULL, which qsort() must not be given */
        qsort(readings, n, sizeof(readings[0]), compare_readings);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 ||
            readings[i].when.lo.ticks > readings[kept - 1].when.hi.ticks) {
            readings[kept++] = readings[i];
        } else if (is_tighter(&readings[i], &readings[kept - 1], rate)) {
            /* It begins no earlier, so it meets no other one. */
            readings[kept - 1] = readings[i];
        }
    }
    return kept;
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
    /* Between the two moments, each anywhere in the ticks of its span. */
    tcs_i128 shortest = (tcs_i128)at.lo.ticks - reading->when.hi.ticks - 1;
    tcs_i128 longest = (tcs_i128)at.hi.ticks + 1 - reading->when.lo.ticks;

    if (reading->value.lo != INT64_MIN) {
        lo = reading->value.lo + advance_min(shortest, rate);
    }
    if (reading->value.hi != INT64_MAX) {
        hi = reading->value.hi + advance_max(longest, rate);
    }
    return tcs_ns_span_from_wide(lo, hi);
}

/*
 * ns * rate.ticks - ticks * rate.ns: where a reading's corner lies on the scale
 * of lines with that rate. |ns| <= 2^63, the rest at most 2^64 and below 2^62:
 * it fits.
 */
static tcs_i128 intercept(int64_t ns, tcs_i128 when, struct tcs_rate rate)
{
    return (tcs_i128)ns * (tcs_i128)rate.ticks - when * (tcs_i128)rate.ns;
}

/*
 * Whether any two of the readings exclude each other: a later one too low for
 * the least rate, or too high for the greatest. Far from the two their fans
 * meet again, so this is looked for where they were taken. Of all earlier
 * readings only the extreme one matters, which makes it one pass.
 */
static int check_consistent(const struct tcs_host_reading *readings, size_t n,
                            struct tcs_rate_span rate)
{
    tcs_i128 highest_lo = -UNBOUNDED, lowest_hi = UNBOUNDED;
    bool hi_known = rate.hi.ticks != 0;

    for (size_t i = 0; i < n; i++) {
        const struct tcs_host_reading *at = &readings[i];
        tcs_i128 first = at->when.lo.ticks;
        tcs_i128 last = (tcs_i128)at->when.hi.ticks + 1;

        if (at->when.lo.ticks > at->when.hi.ticks ||
            (i > 0 && at->when.lo.ticks < readings[i - 1].when.hi.ticks)) {
            return -EINVAL;
        }
        if (at->value.hi != INT64_MAX) {
            if (intercept(at->value.hi, first, rate.lo) < highest_lo) {
                return -EDOM;
            }
            if (hi_known) {
                tcs_i128 hi = intercept(at->value.hi, first, rate.hi);

                lowest_hi = hi < lowest_hi ? hi : lowest_hi;
            }
        }
        if (at->value.lo != INT64_MIN) {
            tcs_i128 lo = intercept(at->value.lo, last, rate.lo);

            if (hi_known &&
                intercept(at->value.lo, last, rate.hi) > lowest_hi) {
                return -EDOM;
            }
            highest_lo = lo > highest_lo ? lo : highest_lo;
        }
    }
    return 0;
}

int tcs_host_readings_at(const struct tcs_host_reading *readings, size_t n,
                         struct tcs_host_span at, struct tcs_rate_span rate,
                         struct tcs_ns_span *ret_value)
{
    struct tcs_ns_span value = TCS_NS_SPAN_UNKNOWN;
    int ret = check_consistent(readings, n, rate);

    for (size_t i = 0; ret == 0 && i < n; i++) {
        ret = tcs_ns_span_intersect(
            value, tcs_host_reading_extrapolate(&readings[i], at, rate),
            &value);
    }
    if (ret == 0) {
        *ret_value = value;
    }
    return ret;
}
