/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See course.h. The set of lines through many readings is lines.h's.
 */
#include "course.h"

#include <errno.h>

#include "lines.h"

/*
 * The reading with room for the wander on the way between it and any moment of
 * `at`: a clock that is off its line by no more is in there.
 */
static struct tcs_host_reading widen(const struct tcs_host_reading *reading,
                                     struct tcs_host_span at,
                                     const struct tcs_course *course)
{
    tcs_i128 ticks = at.hi.ticks > reading->when.hi.ticks
                         ? (tcs_i128)at.hi.ticks + 1 - reading->when.lo.ticks
                         : (tcs_i128)reading->when.hi.ticks + 1 - at.lo.ticks;
    tcs_i128 way_ns = tcs_ceil_div(ticks * (tcs_i128)course->allowed.hi.ns,
                                   course->allowed.hi.ticks);
    tcs_i128 wander_ns = tcs_ceil_div(way_ns * course->wander_ppm, 1000000);

    return (struct tcs_host_reading){
        .when = reading->when,
        .value = tcs_ns_span_from_wide(reading->value.lo - wander_ns,
                                       reading->value.hi + wander_ns),
    };
}

/* What the readings [from, to) allow at `at`. -ENODATA: nothing is told. */
static int side_at(const struct tcs_host_reading *readings, size_t from,
                   size_t to, struct tcs_host_span at,
                   const struct tcs_course *course,
                   struct tcs_ns_span *ret_value)
{
    struct tcs_lines lines;
    int ret = to - from < 2 ? -ENODATA : 0;

    tcs_lines_init(&lines, course->allowed);
    for (size_t i = from; ret == 0 && i < to; i++) {
        struct tcs_host_reading reading = widen(&readings[i], at, course);

        ret = tcs_lines_add(&lines, &reading);
    }
    if (ret == 0) {
        ret = tcs_lines_at(&lines, at, ret_value);
    }
    tcs_lines_clear(&lines);
    return ret == -ENOMEM || ret == 0 ? ret : -ENODATA;
}

/* Readings wholly before `at` are [*ret_first, *ret_middle), then the rest. */
static void find_sides(const struct tcs_host_reading *readings, size_t n,
                       struct tcs_host_span at, uint64_t reach,
                       size_t ret_before[2], size_t ret_after[2])
{
    size_t i = 0;

    while (i < n && readings[i].when.lo.ticks < at.lo.ticks &&
           at.lo.ticks - readings[i].when.lo.ticks > reach) {
        i++;
    }
    ret_before[0] = i;
    while (i < n && readings[i].when.hi.ticks < at.lo.ticks) {
        i++;
    }
    ret_before[1] = i;
    /* Of those that touch `at` it is not known on which side they are. */
    while (i < n && readings[i].when.lo.ticks <= at.hi.ticks) {
        i++;
    }
    ret_after[0] = i;
    while (i < n && readings[i].when.hi.ticks - at.hi.ticks <= reach) {
        i++;
    }
    ret_after[1] = i;
}

int tcs_course_at(const struct tcs_host_reading *readings, size_t n,
                  struct tcs_host_span at, const struct tcs_course *course,
                  struct tcs_ns_span *ret_value)
{
    struct tcs_ns_span plain, before, after, both;
    size_t sides[2][2];
    int ret = tcs_host_readings_at(readings, n, at, course->allowed, &plain);

    if (ret < 0) {
        return ret;
    }
    *ret_value = plain;
    if (course->allowed.hi.ticks == 0) {
        return 0;
    }
    find_sides(readings, n, at, course->reach_ticks, sides[0], sides[1]);
    ret = side_at(readings, sides[0][0], sides[0][1], at, course, &before);
    if (ret == 0) {
        ret = side_at(readings, sides[1][0], sides[1][1], at, course, &after);
    }
    if (ret < 0) {
        return ret == -ENODATA ? 0 : ret;
    }
    both.lo = before.lo < after.lo ? before.lo : after.lo;
    both.hi = before.hi > after.hi ? before.hi : after.hi;
    /* The truth is in both, if the assumption holds. */
    return tcs_ns_span_intersect(plain, both, ret_value);
}
