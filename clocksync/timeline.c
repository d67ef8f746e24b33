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

static struct tcs_rate rate_min(struct tcs_rate a, struct tcs_rate b)
{
    return rate_compare(a, b) < 0 ? a : b;
}

static struct tcs_rate rate_max(struct tcs_rate a, struct tcs_rate b)
{
    return rate_compare(a, b) > 0 ? a : b;
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

/*
 * The rates of the clock's course in interval i; false where it is a gap.
 *
 * The interval's own mean is no help: a small step or a short slew may be in
 * it, too small to show against the bounds of the rates, and just after one of
 * the readings or just before the other.
 */
static bool course_rate(const struct tcs_timeline *timeline, size_t i,
                        struct tcs_rate_span *ret_rate)
{
    struct tcs_rate_span allowed = timeline->allowed, mean, before, after;

    if (!mean_rate(timeline, i, &mean) || !rates_meet(mean, allowed)) {
        return false;
    }
    *ret_rate = allowed;
    if (i > 0 && i + 2 < timeline->n && mean_rate(timeline, i - 1, &before) &&
        mean_rate(timeline, i + 1, &after) && rates_meet(before, allowed) &&
        rates_meet(after, allowed)) {
        struct tcs_rate_span around = {
            .lo = rate_min(before.lo, after.lo),
            .hi = rate_max(before.hi, after.hi),
        };

        around = tcs_rate_span_widen(around, TCS_WANDER_PPM);
        ret_rate->lo = rate_max(around.lo, allowed.lo);
        ret_rate->hi = rate_min(around.hi, allowed.hi);
    }
    return true;
}

static struct tcs_ns_span hull(struct tcs_ns_span a, struct tcs_ns_span b)
{
    return (struct tcs_ns_span){
        .lo = a.lo < b.lo ? a.lo : b.lo,
        .hi = a.hi > b.hi ? a.hi : b.hi,
    };
}

static struct tcs_host_ticks earlier(struct tcs_host_ticks a,
                                     struct tcs_host_ticks b)
{
    return a.ticks < b.ticks ? a : b;
}

static struct tcs_host_ticks later(struct tcs_host_ticks a,
                                   struct tcs_host_ticks b)
{
    return a.ticks > b.ticks ? a : b;
}

/*
 * The values in interval i at those moments of `at` that may belong to it. A
 * clock that left its course in one direction is between the course it came
 * from and the one it came to; each of the two only rises, so the ends of the
 * moments decide.
 */
static int interval_value(const struct tcs_timeline *timeline, size_t i,
                          struct tcs_host_span at,
                          struct tcs_ns_span *ret_value)
{
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct tcs_rate_span rate;

    if (!course_rate(timeline, i, &rate)) {
        return -ENODATA;
    }
    at.lo = later(at.lo, left->when.lo);
    at.hi = earlier(at.hi, right->when.hi);
    *ret_value = hull(tcs_host_reading_extrapolate(left, at, rate),
                      tcs_host_reading_extrapolate(right, at, rate));
    return 0;
}

/* The number of readings that end before `moment`. */
static size_t readings_before(const struct tcs_timeline *timeline,
                              struct tcs_host_ticks moment)
{
    size_t lo = 0, hi = timeline->n;

    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (timeline->readings[middle].when.hi.ticks < moment.ticks) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/*
 * Within its bracket a reading was taken at an unknown moment, so such moments
 * may belong to the interval before it and to the one after it.
 */
int tcs_timeline_at(const struct tcs_timeline *timeline,
                    struct tcs_host_span at, struct tcs_ns_span *ret_value)
{
    const struct tcs_host_reading *first = timeline->readings, *last;
    struct tcs_ns_span value = { INT64_MAX, INT64_MIN }, part;

    if (timeline->n == 0) {
        return -ENODATA;
    }
    last = &timeline->readings[timeline->n - 1];
    if (at.lo.ticks <= first->when.hi.ticks) {
        struct tcs_host_span before = { at.lo, earlier(at.hi, first->when.hi) };

        part = tcs_host_reading_extrapolate(first, before, timeline->allowed);
        value = hull(value, part);
    }
    if (at.hi.ticks >= last->when.lo.ticks) {
        struct tcs_host_span after = { later(at.lo, last->when.lo), at.hi };

        part = tcs_host_reading_extrapolate(last, after, timeline->allowed);
        value = hull(value, part);
    }

    size_t i = readings_before(timeline, at.lo);

    for (i = i > 0 ? i - 1 : 0;
         i + 1 < timeline->n &&
         timeline->readings[i].when.lo.ticks <= at.hi.ticks;
         i++) {
        int ret = interval_value(timeline, i, at, &part);

        if (ret < 0) {
            return ret;
        }
        value = hull(value, part);
    }
    *ret_value = value;
    return 0;
}

/* ticks * direction / rate for |ns|: how long the clock takes, rounded. */
static tcs_i128 ticks_for(tcs_i128 ns, struct tcs_rate_span rate, bool longest)
{
    const tcs_i128 forever = (tcs_i128)1 << 126;
    /* Forward the slow clock takes longest; backward the other way round. */
    struct tcs_rate slope = (ns >= 0) == longest ? rate.lo : rate.hi;

    if (ns == 0) {
        /* A clock that may stand still shows its value for ever. */
        return rate.lo.ns > 0 ? 0 : longest ? forever : -forever;
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

/* Host ticks, and moments before and after all that a counter can show. */
struct moments {
    tcs_i128 lo;
    tcs_i128 hi;
};

static struct moments moments_hull(struct moments a, struct moments b)
{
    return (struct moments){
        .lo = a.lo < b.lo ? a.lo : b.lo,
        .hi = a.hi > b.hi ? a.hi : b.hi,
    };
}

/* When the clock showed `value`, as seen from one reading. */
static struct moments when_from(const struct tcs_host_reading *reading,
                                struct tcs_ns_span value,
                                struct tcs_rate_span rate)
{
    tcs_i128 earliest = (tcs_i128)value.lo - reading->value.hi;
    tcs_i128 latest = (tcs_i128)value.hi - reading->value.lo;

    return (struct moments){
        .lo = reading->when.lo.ticks + ticks_for(earliest, rate, false),
        .hi = reading->when.hi.ticks + ticks_for(latest, rate, true),
    };
}

/* What was found so far. */
struct found {
    struct moments moments;
    bool is_any;
    bool is_known; /* not only inside gaps */
    bool is_apart; /* on both sides of a gap */
};

/* Adds `moments` as far as they lie from `first` to `last`. */
static void find(struct found *found, struct moments moments, uint64_t first,
                 uint64_t last, bool is_known)
{
    moments.lo = moments.lo < first ? first : moments.lo;
    moments.hi = moments.hi > last ? last : moments.hi;
    if (moments.lo > moments.hi) {
        return;
    }
    if (found->is_any) {
        moments = moments_hull(moments, found->moments);
    }
    found->moments = moments;
    found->is_any = true;
    found->is_known = found->is_known || is_known;
}

/* Adds what was found up to the next gap to what was found before the last. */
static void find_across(struct found *all, struct found *course)
{
    if (course->is_any) {
        all->is_apart = all->is_apart ||
                        (all->is_any && course->moments.lo > all->moments.hi);
        find(all, course->moments, 0, UINT64_MAX, course->is_known);
    }
    *course = (struct found){ .is_any = false };
}

int tcs_timeline_when(const struct tcs_timeline *timeline,
                      struct tcs_ns_span value, struct tcs_host_span *ret_when)
{
    const struct tcs_rate_span allowed = timeline->allowed;
    const struct tcs_host_reading *reading = timeline->readings;
    struct found all = { .is_any = false }, course = all;

    if (timeline->n == 0) {
        return -ENODATA;
    }
    find(&course, when_from(reading, value, allowed), 0, reading->when.hi.ticks,
         true);
    for (size_t i = 0; i + 1 < timeline->n; i++, reading++) {
        uint64_t first = reading[0].when.lo.ticks;
        uint64_t last = reading[1].when.hi.ticks;
        struct tcs_rate_span rate;

        if (course_rate(timeline, i, &rate)) {
            find(&course,
                 moments_hull(when_from(&reading[0], value, rate),
                              when_from(&reading[1], value, rate)),
                 first, last, true);
        } else {
            /* On the course before the step, or on the one after it. */
            find(&course, when_from(&reading[0], value, allowed), first, last,
                 false);
            find_across(&all, &course);
            find(&course, when_from(&reading[1], value, allowed), first, last,
                 false);
        }
    }
    find(&course, when_from(reading, value, allowed), reading->when.lo.ticks,
         UINT64_MAX, true);
    find_across(&all, &course);
    if (!all.is_known) {
        return -ENODATA;
    }
    if (all.is_apart) {
        return -ENOTUNIQ;
    }
    *ret_when = (struct tcs_host_span){
        .lo = { (uint64_t)all.moments.lo },
        .hi = { (uint64_t)all.moments.hi },
    };
    return 0;
}

size_t tcs_timeline_gaps(const struct tcs_timeline *timeline)
{
    size_t gaps = 0;

    for (size_t i = 0; i + 1 < timeline->n; i++) {
        struct tcs_rate_span rate;

        gaps += !course_rate(timeline, i, &rate);
    }
    return gaps;
}
