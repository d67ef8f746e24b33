/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See timeline.h. Interval i lies between readings i and i + 1.
 */
#include "timeline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void tcs_timeline_init(struct tcs_timeline *timeline,
                       struct tcs_rate_span allowed)
{
    *timeline = (struct tcs_timeline){ .allowed = allowed };
}

void tcs_timeline_clear(struct tcs_timeline *timeline)
{
    free(timeline->readings);
    tcs_timeline_init(timeline, timeline->allowed);
}

int tcs_timeline_add(struct tcs_timeline *timeline,
                     const struct tcs_host_reading *reading)
{
    if (!tcs_ns_span_is_bounded(reading->value) ||
        reading->value.lo > reading->value.hi ||
        reading->when.lo.ticks > reading->when.hi.ticks ||
        (timeline->n > 0 &&
         reading->when.lo.ticks <
             timeline->readings[timeline->n - 1].when.hi.ticks)) {
        return -EINVAL;
    }
    if (timeline->n == timeline->capacity) {
        size_t capacity = timeline->capacity ? 2 * timeline->capacity : 64;
        void *readings = reallocarray(timeline->readings, capacity,
                                      sizeof(timeline->readings[0]));

        if (!readings) {
            return -ENOMEM;
        }
        timeline->readings = readings;
        timeline->capacity = capacity;
    }
    timeline->readings[timeline->n++] = *reading;
    return 0;
}

/* Sign of a - b; ticks == 0 is above all others. */
static int rate_compare(struct tcs_rate a, struct tcs_rate b)
{
    tcs_u128 left = (tcs_u128)a.ns * b.ticks;
    tcs_u128 right = (tcs_u128)b.ns * a.ticks;

    return (left > right) - (left < right);
}

static struct tcs_rate_span rate_hull(struct tcs_rate_span a,
                                      struct tcs_rate_span b)
{
    return (struct tcs_rate_span){
        .lo = rate_compare(a.lo, b.lo) < 0 ? a.lo : b.lo,
        .hi = rate_compare(a.hi, b.hi) > 0 ? a.hi : b.hi,
    };
}

static bool rates_meet(struct tcs_rate_span a, struct tcs_rate_span b)
{
    return rate_compare(a.lo, b.hi) <= 0 && rate_compare(b.lo, a.hi) <= 0;
}

/*
 * The clock's mean rate in interval i, with exact bounds. False where it went
 * backward for certain, or the numbers are too large for a fraction.
 */
static bool mean_rate(const struct tcs_timeline *timeline, size_t i,
                      struct tcs_rate_span *ret_rate)
{
    const struct tcs_host_reading *a = &timeline->readings[i], *b = a + 1;
    const tcs_u128 limit = (tcs_u128)1 << 62;
    tcs_i128 rise_lo = (tcs_i128)b->value.lo - a->value.hi;
    tcs_i128 rise_hi = (tcs_i128)b->value.hi - a->value.lo;
    uint64_t run_lo = b->when.lo.ticks - a->when.hi.ticks;
    uint64_t run_hi = b->when.hi.ticks - a->when.lo.ticks;

    if (rise_hi < 0 || (tcs_u128)rise_hi >= limit || run_hi >= limit) {
        return false;
    }
    *ret_rate = TCS_RATE_SPAN_MONOTONE;
    if (rise_lo > 0) {
        ret_rate->lo = (struct tcs_rate){ (uint64_t)rise_lo, run_hi };
    }
    if (run_lo > 0) {
        ret_rate->hi = (struct tcs_rate){ (uint64_t)rise_hi, run_lo };
    }
    return true;
}

/* What is known of an interval. */
enum interval_kind {
    STEADY,    /* rates hold from one end to the other */
    DISTURBED, /* rates hold from either end up to an unknown moment */
    GAP,
};

static enum interval_kind interval_at(const struct tcs_timeline *timeline,
                                      size_t i, struct tcs_rate_span *ret_rate)
{
    struct tcs_rate_span mean, before, after, around;

    if (!mean_rate(timeline, i, &mean) ||
        !rates_meet(mean, timeline->allowed)) {
        return GAP;
    }
    if (i == 0 || i + 2 >= timeline->n ||
        !mean_rate(timeline, i - 1, &before) ||
        !mean_rate(timeline, i + 1, &after) ||
        !rates_meet(before, timeline->allowed) ||
        !rates_meet(after, timeline->allowed)) {
        /* What came before or after it cannot be told. */
        *ret_rate = timeline->allowed;
        return STEADY;
    }
    around = tcs_rate_span_widen(rate_hull(before, after), TCS_WANDER_PPM);
    if (!rates_meet(mean, around)) {
        *ret_rate = around;
        return DISTURBED;
    }
    *ret_rate = tcs_rate_span_widen(rate_hull(mean, around), TCS_WANDER_PPM);
    return STEADY;
}

/* The values at `at`, which lies within interval i. */
static int interval_value(const struct tcs_timeline *timeline, size_t i,
                          struct tcs_host_span at,
                          struct tcs_ns_span *ret_value)
{
    struct tcs_rate_span rate;
    enum interval_kind kind = interval_at(timeline, i, &rate);

    if (kind == GAP) {
        return -ENODATA;
    }
    struct tcs_ns_span from_left =
        tcs_host_reading_extrapolate(&timeline->readings[i], at, rate);
    struct tcs_ns_span from_right =
        tcs_host_reading_extrapolate(&timeline->readings[i + 1], at, rate);

    if (kind == STEADY) {
        return tcs_ns_span_intersect(from_left, from_right, ret_value) < 0
                   ? -ENODATA
                   : 0;
    }
    *ret_value = (struct tcs_ns_span){
        .lo = from_left.lo < from_right.lo ? from_left.lo : from_right.lo,
        .hi = from_left.hi > from_right.hi ? from_left.hi : from_right.hi,
    };
    return 0;
}

/*
 * The number of readings that begin at or before `moment`: interval
 * result - 1 contains it, where both of its readings exist.
 */
static size_t readings_until(const struct tcs_timeline *timeline,
                             struct tcs_host_ticks moment)
{
    size_t lo = 0, hi = timeline->n;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (timeline->readings[middle].when.lo.ticks <= moment.ticks) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* The values at one moment. */
static int value_at(const struct tcs_timeline *timeline,
                    struct tcs_host_ticks moment, struct tcs_ns_span *ret_value)
{
    struct tcs_host_span at = { moment, moment };
    size_t until = readings_until(timeline, moment);

    if (until == 0 || until == timeline->n) {
        /* Outside: from the nearest reading. */
        *ret_value = tcs_host_reading_extrapolate(
            &timeline->readings[until == 0 ? 0 : timeline->n - 1], at,
            timeline->allowed);
        return 0;
    }
    return interval_value(timeline, until - 1, at, ret_value);
}

int tcs_timeline_at(const struct tcs_timeline *timeline,
                    struct tcs_host_span at, struct tcs_ns_span *ret_value)
{
    struct tcs_ns_span first, last;
    int ret;

    if (timeline->n == 0) {
        return -ENODATA;
    }
    ret = value_at(timeline, at.lo, &first);
    if (ret == 0) {
        ret = value_at(timeline, at.hi, &last);
    }
    /* In between lie the readings themselves, and perhaps gaps. */
    for (size_t i = readings_until(timeline, at.lo);
         ret == 0 && i < readings_until(timeline, at.hi); i++) {
        struct tcs_rate_span rate;

        if (i + 1 < timeline->n && interval_at(timeline, i, &rate) == GAP) {
            ret = -ENODATA;
        }
        first.hi = timeline->readings[i].value.hi > first.hi
                       ? timeline->readings[i].value.hi
                       : first.hi;
        last.lo = timeline->readings[i].value.lo < last.lo
                      ? timeline->readings[i].value.lo
                      : last.lo;
    }
    if (ret < 0) {
        return ret;
    }
    *ret_value = (struct tcs_ns_span){
        .lo = first.lo < last.lo ? first.lo : last.lo,
        .hi = first.hi > last.hi ? first.hi : last.hi,
    };
    return 0;
}

/* ticks * direction / rate for |ns|: how long the clock takes, rounded. */
static tcs_i128 ticks_for(tcs_i128 ns, struct tcs_rate_span rate, bool longest)
{
    const tcs_i128 forever = (tcs_i128)1 << 126;
    /* Forward the slow clock takes longest; backward the other way round. */
    struct tcs_rate slope = (ns >= 0) == longest ? rate.lo : rate.hi;

    if (ns == 0) {
        return 0;
    }
    if (slope.ticks == 0) {
        return 0; /* at once: no upper end of the rate is known */
    }
    if (slope.ns == 0) {
        return ns > 0 ? forever : -forever;
    }
    return longest ? tcs_ceil_div(ns * (tcs_i128)slope.ticks, slope.ns)
                   : tcs_floor_div(ns * (tcs_i128)slope.ticks, slope.ns);
}

static struct tcs_host_ticks clip(tcs_i128 ticks)
{
    return (struct tcs_host_ticks){
        ticks < 0            ? 0
        : ticks > UINT64_MAX ? UINT64_MAX
                             : (uint64_t)ticks,
    };
}

/* When the clock showed `value`, as seen from one reading. */
static struct tcs_host_span when_from(const struct tcs_host_reading *reading,
                                      struct tcs_ns_span value,
                                      struct tcs_rate_span rate)
{
    tcs_i128 earliest = (tcs_i128)value.lo - reading->value.hi;
    tcs_i128 latest = (tcs_i128)value.hi - reading->value.lo;

    return (struct tcs_host_span){
        .lo = clip(reading->when.lo.ticks + ticks_for(earliest, rate, false)),
        .hi = clip(reading->when.hi.ticks + ticks_for(latest, rate, true)),
    };
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When in interval i the clock showed `value`; false where it did not. */
static bool when_in_interval(const struct tcs_timeline *timeline, size_t i,
                             struct tcs_ns_span value,
                             struct tcs_host_span *ret_when)
{
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct tcs_rate_span rate;
    enum interval_kind kind = interval_at(timeline, i, &rate);
    struct tcs_host_span a, b;

    if (kind == GAP) {
        return false;
    }
    a = when_from(left, value, rate);
    b = when_from(right, value, rate);
    if (kind == STEADY) {
        a.lo.ticks = max_u64(a.lo.ticks, b.lo.ticks);
        a.hi.ticks = min_u64(a.hi.ticks, b.hi.ticks);
    } else {
        a.lo.ticks = min_u64(a.lo.ticks, b.lo.ticks);
        a.hi.ticks = max_u64(a.hi.ticks, b.hi.ticks);
    }
    a.lo.ticks = max_u64(a.lo.ticks, left->when.lo.ticks);
    a.hi.ticks = min_u64(a.hi.ticks, right->when.hi.ticks);
    *ret_when = a;
    return a.lo.ticks <= a.hi.ticks;
}

/* Adds a stretch of moments; false where it is apart from what is there. */
static bool join(bool *found, struct tcs_host_span *all,
                 struct tcs_host_span more, bool apart)
{
    if (*found && apart && more.lo.ticks > all->hi.ticks) {
        return false;
    }
    if (*found) {
        all->lo.ticks = min_u64(all->lo.ticks, more.lo.ticks);
        all->hi.ticks = max_u64(all->hi.ticks, more.hi.ticks);
    } else {
        *all = more;
        *found = true;
    }
    return true;
}

int tcs_timeline_when(const struct tcs_timeline *timeline,
                      struct tcs_ns_span value, struct tcs_host_span *ret_when)
{
    struct tcs_host_span all, part;
    bool found = false, apart = false;
    size_t n = timeline->n;

    if (n == 0) {
        return -ENODATA;
    }
    if (value.lo <= timeline->readings[0].value.hi) {
        part = when_from(&timeline->readings[0], value, timeline->allowed);
        part.hi.ticks =
            min_u64(part.hi.ticks, timeline->readings[0].when.hi.ticks);
        if (part.lo.ticks <= part.hi.ticks) {
            join(&found, &all, part, false);
        }
    }
    for (size_t i = 0; i + 1 < n; i++) {
        struct tcs_rate_span rate;

        if (when_in_interval(timeline, i, value, &part)) {
            if (!join(&found, &all, part, apart)) {
                return -ENOTUNIQ;
            }
            apart = false;
        } else if (interval_at(timeline, i, &rate) == GAP) {
            apart = true;
        }
    }
    if (value.hi >= timeline->readings[n - 1].value.lo) {
        part = when_from(&timeline->readings[n - 1], value, timeline->allowed);
        part.lo.ticks =
            max_u64(part.lo.ticks, timeline->readings[n - 1].when.lo.ticks);
        if (part.lo.ticks <= part.hi.ticks &&
            !join(&found, &all, part, apart)) {
            return -ENOTUNIQ;
        }
    }
    if (!found) {
        return -ENODATA;
    }
    *ret_when = all;
    return 0;
}

size_t tcs_timeline_gaps(const struct tcs_timeline *timeline)
{
    size_t gaps = 0;

    for (size_t i = 0; i + 1 < timeline->n; i++) {
        struct tcs_rate_span rate;

        gaps += interval_at(timeline, i, &rate) == GAP;
    }
    return gaps;
}
