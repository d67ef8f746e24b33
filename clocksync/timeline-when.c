/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a clock showed a value: see timeline.h. Inside a stretch without a gap
 * the clock only rises, so the intervals that may hold a value are searched by
 * what was reached before and is still ahead; the stretches themselves by an
 * index of their values.
 */
#include "timeline-impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* All the ticks of interval i, with both brackets. */
static struct tcs_host_span interval_ticks(const struct tcs_timeline *timeline,
                                           size_t i)
{
    return (struct tcs_host_span){ timeline->readings[i].when.lo,
                                   timeline->readings[i + 1].when.hi };
}

/* Values of interval i, or those on the course on one side of a gap. */
static struct tcs_ns_span all_values(const struct tcs_timeline *timeline,
                                     size_t i)
{
    struct tcs_ns_span value = TCS_NS_SPAN_UNKNOWN;

    tcs_timeline_interval_value(timeline, i, interval_ticks(timeline, i),
                                &value);
    return value;
}

static struct tcs_ns_span gap_values(const struct tcs_timeline *timeline,
                                     size_t reading, size_t i)
{
    return tcs_host_reading_extrapolate(&timeline->readings[reading],
                                        interval_ticks(timeline, i),
                                        timeline->allowed);
}

/* The values of a stretch and of what is possible in the gaps beside it. */
static struct tcs_ns_span
stretch_values(struct tcs_timeline *timeline,
               const struct tcs_timeline_stretch *stretch)
{
    size_t first = stretch->first, last = stretch->last;
    struct tcs_ns_span value = timeline->readings[first].value;

    for (size_t i = first; i < last; i++) {
        struct tcs_ns_span part = all_values(timeline, i);

        value = tcs_timeline_hull(value, part);
        timeline->reached_ns[i] = value.hi;
        timeline->ahead_ns[i] = part.lo;
    }
    for (size_t i = last; i-- > first;) {
        if (i + 1 < last && timeline->ahead_ns[i + 1] < timeline->ahead_ns[i]) {
            timeline->ahead_ns[i] = timeline->ahead_ns[i + 1];
        }
    }
    value =
        first == 0
            ? (struct tcs_ns_span){ INT64_MIN, value.hi }
            : tcs_timeline_hull(value, gap_values(timeline, first, first - 1));
    return last + 1 == timeline->n
               ? (struct tcs_ns_span){ value.lo, INT64_MAX }
               : tcs_timeline_hull(value, gap_values(timeline, last, last));
}

/* Splits the readings at the gaps. */
static void find_stretches(struct tcs_timeline *timeline)
{
    struct tcs_timeline_stretch stretch = { 0, 0 };

    for (size_t i = 0; i < timeline->n; i++) {
        struct tcs_rate_span rate;

        if (i + 1 == timeline->n || !tcs_timeline_course(timeline, i, &rate)) {
            stretch.last = i;
            timeline->stretches[timeline->n_stretches++] = stretch;
            stretch.first = i + 1;
        }
    }
}

int tcs_timeline_prepare_search(struct tcs_timeline *timeline)
{
    size_t room = timeline->n ? timeline->n : 1;
    struct tcs_interval *values = reallocarray(NULL, room, sizeof(*values));
    int ret = -ENOMEM;

    timeline->stretches =
        reallocarray(NULL, room, sizeof(timeline->stretches[0]));
    timeline->reached_ns =
        reallocarray(NULL, room, sizeof(timeline->reached_ns[0]));
    timeline->ahead_ns =
        reallocarray(NULL, room, sizeof(timeline->ahead_ns[0]));
    if (values && timeline->stretches && timeline->reached_ns &&
        timeline->ahead_ns) {
        find_stretches(timeline);
        for (size_t i = 0; i < timeline->n_stretches; i++) {
            struct tcs_ns_span value =
                stretch_values(timeline, &timeline->stretches[i]);

            values[i] =
                (struct tcs_interval){ tcs_interval_point(value.lo),
                                       tcs_interval_point(value.hi), i };
        }
        ret = tcs_interval_index_init(&timeline->values, values,
                                      timeline->n_stretches);
    }
    free(values);
    return ret;
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

/* Adds what was found in another stretch. */
static void find_apart(struct found *all, const struct found *course)
{
    if (course->is_any) {
        all->is_apart = all->is_apart ||
                        (all->is_any && (course->moments.lo > all->moments.hi ||
                                         course->moments.hi < all->moments.lo));
        find(all, course->moments, 0, UINT64_MAX, course->is_known);
    }
}

size_t tcs_timeline_first_reached(const struct tcs_timeline *timeline,
                                  size_t first, size_t last,
                                  struct tcs_ns_span value)
{
    while (first < last) {
        size_t middle = first + (last - first) / 2;

        if (timeline->reached_ns[middle] < value.lo) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    return first;
}

/* One after the last interval of [first, last) that `value` may lie in. */
static size_t after_last(const struct tcs_timeline *timeline, size_t first,
                         size_t last, struct tcs_ns_span value)
{
    while (first < last) {
        size_t middle = first + (last - first) / 2;

        if (timeline->ahead_ns[middle] <= value.hi) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    return first;
}

/* Adds the moments in interval i. Returns whether there are any. */
static bool find_in_interval(const struct tcs_timeline *timeline, size_t i,
                             struct tcs_ns_span value, struct found *found)
{
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct found here = { .is_any = false };
    struct tcs_rate_span rate;

    tcs_timeline_course(timeline, i, &rate);
    find(&here,
         moments_hull(when_from(left, value, rate),
                      when_from(right, value, rate)),
         left->when.lo.ticks, right->when.hi.ticks, true);
    if (here.is_any) {
        find(found, here.moments, 0, UINT64_MAX, true);
    }
    return here.is_any;
}

/*
 * Of the intervals that hold the value the outermost decide, and those next to
 * them, whose brackets they share.
 */
static void find_in_stretch(const struct tcs_timeline *timeline,
                            const struct tcs_timeline_stretch *stretch,
                            struct tcs_ns_span value, struct found *found)
{
    size_t first = tcs_timeline_first_reached(timeline, stretch->first,
                                              stretch->last, value);
    size_t last = after_last(timeline, first, stretch->last, value);
    unsigned int hits = 0;

    for (; first < last && hits < 2; first++) {
        hits += find_in_interval(timeline, first, value, found);
    }
    for (hits = 0; first < last && hits < 2; last--) {
        hits += find_in_interval(timeline, last - 1, value, found);
    }
}

/* What lies beside a stretch: a gap, or the time before or after it all. */
static void find_beside(const struct tcs_timeline *timeline,
                        const struct tcs_timeline_stretch *stretch,
                        struct tcs_ns_span value, struct found *found)
{
    const struct tcs_host_reading *first, *last;

    first = &timeline->readings[stretch->first];
    last = &timeline->readings[stretch->last];
    find(found, when_from(first, value, timeline->allowed),
         stretch->first == 0 ? 0 : first[-1].when.lo.ticks,
         first->when.hi.ticks, stretch->first == 0);
    find(found, when_from(last, value, timeline->allowed), last->when.lo.ticks,
         stretch->last + 1 == timeline->n ? UINT64_MAX : last[1].when.hi.ticks,
         stretch->last + 1 == timeline->n);
}

int tcs_timeline_when(const struct tcs_timeline *timeline,
                      struct tcs_ns_span value, struct tcs_host_span *ret_when)
{
    struct found all = { .is_any = false };
    size_t cursor = 0, i;

    assert(timeline->is_finished);
    while (!(all.is_known && all.is_apart) &&
           tcs_interval_index_next(&timeline->values,
                                   tcs_interval_point(value.lo),
                                   tcs_interval_point(value.hi), &cursor, &i)) {
        struct found course = { .is_any = false };

        find_beside(timeline, &timeline->stretches[i], value, &course);
        find_in_stretch(timeline, &timeline->stretches[i], value, &course);
        find_apart(&all, &course);
    }
    if (!all.is_known || all.moments.lo < timeline->reach.lo.ticks ||
        all.moments.hi > timeline->reach.hi.ticks) {
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
