/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See timeline.h: the readings, the courses between them, and the values at a
 * moment.
 */
#include "timeline-impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void tcs_timeline_init(struct tcs_timeline *timeline,
                       struct tcs_rate_span allowed)
{
    *timeline = (struct tcs_timeline){ .allowed = allowed,
                                       .reach = { { 0 }, { UINT64_MAX } } };
}

static void drop_search(struct tcs_timeline *timeline)
{
    free(timeline->stretches);
    free(timeline->reached_ns);
    free(timeline->ahead_ns);
    timeline->stretches = NULL;
    timeline->reached_ns = timeline->ahead_ns = NULL;
    timeline->n_stretches = 0;
    tcs_interval_index_clear(&timeline->values);
    timeline->is_finished = false;
}

void tcs_timeline_clear(struct tcs_timeline *timeline)
{
    drop_search(timeline);
    free(timeline->readings);
    tcs_timeline_init(timeline, timeline->allowed);
}

int tcs_timeline_add(struct tcs_timeline *timeline,
                     const struct tcs_host_reading *reading)
{
    if (!tcs_ns_span_is_bounded(reading->value) ||
        reading->value.lo > reading->value.hi ||
        reading->when.lo.ticks > reading->when.hi.ticks) {
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
    timeline->is_finished = false;
    return 0;
}

int tcs_timeline_finish(struct tcs_timeline *timeline)
{
    size_t kept = tcs_host_readings_tidy(timeline->readings, timeline->n,
                                         timeline->allowed.lo);
    int ret;

    timeline->dropped += timeline->n - kept;
    timeline->n = kept;
    drop_search(timeline);
    ret = tcs_timeline_prepare_search(timeline);
    if (ret < 0) {
        drop_search(timeline);
    }
    timeline->is_finished = ret == 0;
    return ret;
}

static struct tcs_rate rate_min(struct tcs_rate a, struct tcs_rate b)
{
    return tcs_rate_compare(a, b) < 0 ? a : b;
}

static struct tcs_rate rate_max(struct tcs_rate a, struct tcs_rate b)
{
    return tcs_rate_compare(a, b) > 0 ? a : b;
}

static bool rates_meet(struct tcs_rate_span a, struct tcs_rate_span b)
{
    return tcs_rate_compare(a.lo, b.hi) <= 0 &&
           tcs_rate_compare(b.lo, a.hi) <= 0;
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
    /* Each was taken anywhere in the ticks of its bracket; a before b. */
    uint64_t run_lo = b->when.lo.ticks - a->when.hi.ticks - 1;
    tcs_u128 run_hi = (tcs_u128)b->when.hi.ticks - a->when.lo.ticks + 1;

    if (rise_hi < 0 || (tcs_u128)rise_hi >= limit || run_hi >= limit) {
        return false;
    }
    *ret_rate = TCS_RATE_SPAN_MONOTONE;
    if (rise_lo > 0) {
        ret_rate->lo = (struct tcs_rate){ (uint64_t)rise_lo, (uint64_t)run_hi };
    }
    if (run_lo > 0) {
        ret_rate->hi = (struct tcs_rate){ (uint64_t)rise_hi, run_lo };
    }
    return true;
}

/*
 * The interval's own mean is no help: a small step or a short slew may be in
 * it, too small to show against the bounds of the rates, and just after one of
 * the readings or just before the other.
 */
bool tcs_timeline_course(const struct tcs_timeline *timeline, size_t i,
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

struct tcs_ns_span tcs_timeline_hull(struct tcs_ns_span a, struct tcs_ns_span b)
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
 * A clock that left its course in one direction is between the course it came
 * from and the one it came to; each of the two only rises, so the ends of the
 * moments decide.
 */
int tcs_timeline_interval_value(const struct tcs_timeline *timeline, size_t i,
                                struct tcs_host_span at,
                                struct tcs_ns_span *ret_value)
{
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct tcs_rate_span rate;

    if (!tcs_timeline_course(timeline, i, &rate)) {
        return -ENODATA;
    }
    at.lo = later(at.lo, left->when.lo);
    at.hi = earlier(at.hi, right->when.hi);
    *ret_value =
        tcs_timeline_hull(tcs_host_reading_extrapolate(left, at, rate),
                          tcs_host_reading_extrapolate(right, at, rate));
    return 0;
}

size_t tcs_timeline_readings_before(const struct tcs_timeline *timeline,
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

    assert(timeline->is_finished);
    if (timeline->n == 0 || at.lo.ticks < timeline->reach.lo.ticks ||
        at.hi.ticks > timeline->reach.hi.ticks) {
        return -ENODATA;
    }
    last = &timeline->readings[timeline->n - 1];
    if (at.lo.ticks <= first->when.hi.ticks) {
        struct tcs_host_span before = { at.lo, earlier(at.hi, first->when.hi) };

        part = tcs_host_reading_extrapolate(first, before, timeline->allowed);
        value = tcs_timeline_hull(value, part);
    }
    if (at.hi.ticks >= last->when.lo.ticks) {
        struct tcs_host_span after = { later(at.lo, last->when.lo), at.hi };

        part = tcs_host_reading_extrapolate(last, after, timeline->allowed);
        value = tcs_timeline_hull(value, part);
    }

    size_t i = tcs_timeline_readings_before(timeline, at.lo);

    for (i = i > 0 ? i - 1 : 0;
         i + 1 < timeline->n &&
         timeline->readings[i].when.lo.ticks <= at.hi.ticks;
         i++) {
        int ret = tcs_timeline_interval_value(timeline, i, at, &part);

        if (ret < 0) {
            return ret;
        }
        value = tcs_timeline_hull(value, part);
    }
    *ret_value = value;
    return 0;
}

size_t tcs_timeline_gaps(const struct tcs_timeline *timeline)
{
    size_t gaps = 0;

    for (size_t i = 0; i + 1 < timeline->n; i++) {
        struct tcs_rate_span rate;

        gaps += !tcs_timeline_course(timeline, i, &rate);
    }
    return gaps;
}
