/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See timeline.h: where in the promised spans a clock most likely was.
 */
#include "timeline-impl.h"

#include <errno.h>

/* Beyond the outermost reading: the mean over so many, so that two readings
 * close together do not tell the rate. */
#define BASELINE_READINGS 8

/* A reading as a point: the middles of its bracket and of its value. */
struct point {
    uint64_t ticks;
    int64_t ns;
};

static struct point point_of(const struct tcs_timeline *timeline, size_t i)
{
    const struct tcs_host_reading *reading = &timeline->readings[i];

    return (struct point){
        reading->when.lo.ticks +
            (reading->when.hi.ticks - reading->when.lo.ticks) / 2,
        reading->value.lo + (reading->value.hi - reading->value.lo) / 2,
    };
}

static bool is_gap(const struct tcs_timeline *timeline, size_t i)
{
    struct tcs_rate_span rate;

    return !tcs_timeline_course(timeline, i, &rate);
}

/*
 * The two points whose line tells the clock at `ticks`: its neighbours, or
 * those at an end of the timeline. False in a gap.
 */
static bool points_at(const struct tcs_timeline *timeline, uint64_t ticks,
                      struct point *ret_a, struct point *ret_b)
{
    size_t lo = 0, hi = timeline->n, first, last;

    if (timeline->n < 2) {
        return false;
    }
    /* The number of points at or before `ticks`. */
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;

        if (point_of(timeline, middle).ticks <= ticks) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    if (lo > 0 && lo < timeline->n) {
        first = lo - 1;
        last = lo;
        if (is_gap(timeline, first)) {
            return false;
        }
    } else if (lo == 0) {
        first = last = 0;
        while (last + 1 < timeline->n && last < BASELINE_READINGS &&
               !is_gap(timeline, last)) {
            last++;
        }
    } else {
        first = last = timeline->n - 1;
        while (first > 0 && last - first < BASELINE_READINGS &&
               !is_gap(timeline, first - 1)) {
            first--;
        }
    }
    *ret_a = point_of(timeline, first);
    *ret_b = point_of(timeline, last);
    return ret_a->ticks < ret_b->ticks && ret_a->ns <= ret_b->ns;
}

int tcs_timeline_likely_at(const struct tcs_timeline *timeline,
                           struct tcs_host_ticks at, int64_t *ret_ns)
{
    struct point a, b;
    tcs_i128 ns;

    if (!points_at(timeline, at.ticks, &a, &b)) {
        return -ENODATA;
    }
    ns = a.ns + (tcs_i128)(b.ns - a.ns) * ((tcs_i128)at.ticks - a.ticks) /
                    (tcs_i128)(b.ticks - a.ticks);
    if (ns < INT64_MIN || ns > INT64_MAX) {
        return -ENODATA;
    }
    *ret_ns = (int64_t)ns;
    return 0;
}

int tcs_timeline_likely_when(const struct tcs_timeline *timeline, int64_t ns,
                             struct tcs_host_span when,
                             struct tcs_host_ticks *ret_when)
{
    uint64_t lo = when.lo.ticks, hi = when.hi.ticks;
    int64_t reached;

    /* It only rises outside of gaps: halve what is left. */
    while (lo < hi) {
        const uint64_t middle = lo + (hi - lo) / 2;

        if (tcs_timeline_likely_at(timeline, (struct tcs_host_ticks){ middle },
                                   &reached) < 0) {
            return -ENODATA;
        }
        if (reached < ns) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    ret_when->ticks = lo;
    return 0;
}
