/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines consistent with many readings: two convex hulls and exact fractions.
 * The geometry is the separating-line form of Graham's convex hull; all
 * products fit because coordinates stay below 2^61.
 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COORDINATE_LIMIT ((tcs_i128)1 << 61)

/* Which side of the readings a hull bounds. */
enum hull_side { CEILING = 1, FLOOR = -1 };

void tcs_lines_init(struct tcs_lines *lines, struct tcs_rate_span allowed)
{
    *lines = (struct tcs_lines){ .allowed = allowed, .rate = allowed };
}

void tcs_lines_clear(struct tcs_lines *lines)
{
    free(lines->ceiling.points);
    free(lines->floor.points);
    tcs_lines_init(lines, lines->allowed);
}

/* Sign of the turn at `middle`: > 0 where it lies below the chord. */
static int turn(struct tcs_line_point first, struct tcs_line_point middle,
                struct tcs_line_point last)
{
    tcs_i128 left =
        (tcs_i128)(middle.ns - first.ns) * (last.ticks - first.ticks);
    tcs_i128 right =
        (tcs_i128)(last.ns - first.ns) * (middle.ticks - first.ticks);

    return (right > left) - (right < left);
}

static int hull_reserve(struct tcs_line_hull *hull)
{
    if (hull->n < hull->capacity) {
        return 0;
    }
    size_t capacity = hull->capacity ? 2 * hull->capacity : 16;
    void *points =
        reallocarray(hull->points, capacity, sizeof(hull->points[0]));

    if (!points) {
        return -ENOMEM;
    }
    hull->points = points;
    hull->capacity = capacity;
    return 0;
}

/* Puts a point in its place, unless it says nothing that others do not. */
static void hull_add(struct tcs_line_hull *hull, enum hull_side side,
                     struct tcs_line_point point)
{
    struct tcs_line_point *points = hull->points;
    /* What goes: the points from `first` to before `end`. */
    size_t end = hull->n, first;

    while (end > 0 && points[end - 1].ticks > point.ticks) {
        end--;
    }
    first = end;
    if (first > 0 && points[first - 1].ticks == point.ticks) {
        /* Of two points at one moment only the stricter counts. */
        if ((points[first - 1].ns - point.ns) * side <= 0) {
            return;
        }
        first--;
    } else if (first > 0 && end < hull->n &&
               turn(points[first - 1], point, points[end]) * side <= 0) {
        return;
    }
    while (first >= 2 &&
           turn(points[first - 2], points[first - 1], point) * side <= 0) {
        first--;
    }
    while (end + 1 < hull->n &&
           turn(point, points[end], points[end + 1]) * side <= 0) {
        end++;
    }
    memmove(&points[first + 1], &points[end],
            (hull->n - end) * sizeof(points[0]));
    points[first] = point;
    hull->n = hull->n - end + first + 1;
}

/*
 * Narrows *rate by one pair of points that a line must pass between.
 * Returns 0 or -EDOM where no rate is left.
 */
static int rate_narrow(struct tcs_rate_span *rate, struct tcs_line_point above,
                       struct tcs_line_point below)
{
    int64_t room_ns = above.ns - below.ns;
    int64_t run = above.ticks - below.ticks;

    if (run == 0) {
        return room_ns < 0 ? -EDOM : 0;
    }
    if (run > 0) {
        /* below, then above: the line may rise by room_ns at most. */
        if (room_ns < 0) {
            return -EDOM;
        }
        struct tcs_rate limit = { (uint64_t)room_ns, (uint64_t)run };

        if (tcs_rate_compare(limit, rate->hi) < 0) {
            rate->hi = limit;
        }
    } else if (room_ns < 0) {
        /* above, then below: it must rise by -room_ns at least. */
        struct tcs_rate limit = { -(uint64_t)room_ns, -(uint64_t)run };

        if (tcs_rate_compare(limit, rate->lo) > 0) {
            rate->lo = limit;
        }
    }
    return tcs_rate_compare(rate->lo, rate->hi) <= 0 ? 0 : -EDOM;
}

/* Narrows *rate by one new point against all of the opposite hull. */
static int rate_narrow_all(struct tcs_rate_span *rate, enum hull_side side,
                           struct tcs_line_point point,
                           const struct tcs_line_hull *opposite)
{
    for (size_t i = 0; i < opposite->n; i++) {
        int ret = side == CEILING
                      ? rate_narrow(rate, point, opposite->points[i])
                      : rate_narrow(rate, opposite->points[i], point);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* Coordinates relative to the first reading. Returns 0 or -ERANGE. */
static int place(const struct tcs_lines *lines, tcs_i128 ticks, int64_t ns,
                 struct tcs_line_point *ret_point)
{
    tcs_i128 x = ticks - lines->origin.ticks;
    tcs_i128 y = (tcs_i128)ns - lines->origin_ns;

    if (x <= -COORDINATE_LIMIT || x >= COORDINATE_LIMIT ||
        y <= -COORDINATE_LIMIT || y >= COORDINATE_LIMIT) {
        return -ERANGE;
    }
    *ret_point = (struct tcs_line_point){ (int64_t)x, (int64_t)y };
    return 0;
}

static bool is_earlier(struct tcs_line_point point,
                       const struct tcs_line_hull *hull)
{
    /* The latest point is always on its hull. */
    return hull->n && point.ticks < hull->points[hull->n - 1].ticks;
}

/* Sets the origin by the first pair of points, and places the pair. */
static int place_pair(struct tcs_lines *lines, struct tcs_host_ticks ceiling_at,
                      int64_t ceiling_ns, tcs_i128 floor_at, int64_t floor_ns,
                      struct tcs_line_point *ret_above,
                      struct tcs_line_point *ret_below)
{
    if (lines->readings == 0) {
        lines->origin = ceiling_at;
        lines->origin_ns = floor_ns;
    }
    int ret = place(lines, ceiling_at.ticks, ceiling_ns, ret_above);

    return ret < 0 ? ret : place(lines, floor_at, floor_ns, ret_below);
}

/* Adds both points or none. Returns 0, -EDOM or -ENOMEM. */
static int add_pair(struct tcs_lines *lines, struct tcs_line_point above,
                    struct tcs_line_point below)
{
    struct tcs_rate_span rate = lines->rate;
    int ret = rate_narrow(&rate, above, below);

    if (ret == 0) {
        ret = rate_narrow_all(&rate, CEILING, above, &lines->floor);
    }
    if (ret == 0) {
        ret = rate_narrow_all(&rate, FLOOR, below, &lines->ceiling);
    }
    if (ret == 0) {
        ret = hull_reserve(&lines->ceiling);
    }
    if (ret == 0) {
        ret = hull_reserve(&lines->floor);
    }
    if (ret < 0) {
        return ret;
    }
    hull_add(&lines->ceiling, CEILING, above);
    hull_add(&lines->floor, FLOOR, below);
    lines->rate = rate;
    lines->readings++;
    return 0;
}

int tcs_lines_add(struct tcs_lines *lines,
                  const struct tcs_host_reading *reading)
{
    struct tcs_line_point above, below;
    int ret;

    if (!tcs_ns_span_is_bounded(reading->value) ||
        reading->when.lo.ticks > reading->when.hi.ticks ||
        reading->value.lo > reading->value.hi) {
        return -EINVAL;
    }
    /* It may have been taken at the very end of the last tick. */
    ret = place_pair(lines, reading->when.lo, reading->value.hi,
                     (tcs_i128)reading->when.hi.ticks + 1, reading->value.lo,
                     &above, &below);
    if (ret < 0) {
        return ret;
    }
    if (is_earlier(above, &lines->ceiling) ||
        is_earlier(below, &lines->floor)) {
        return -EINVAL;
    }
    return add_pair(lines, above, below);
}

int tcs_lines_add_bounds(struct tcs_lines *lines,
                         struct tcs_host_ticks ceiling_at, int64_t ceiling_ns,
                         struct tcs_host_ticks floor_at, int64_t floor_ns)
{
    struct tcs_line_point above, below;
    int ret = place_pair(lines, ceiling_at, ceiling_ns, floor_at.ticks,
                         floor_ns, &above, &below);

    return ret < 0 ? ret : add_pair(lines, above, below);
}

struct tcs_rate_span tcs_lines_rate(const struct tcs_lines *lines)
{
    return lines->rate;
}

/* Rounds to unknown. */
#define UNBOUNDED TCS_LINES_UNBOUNDED

/*
 * The most (side CEILING) or least (side FLOOR) value at `ticks` of a line
 * through `point` with rate `rate`, rounded outward.
 */
static tcs_i128 line_value(enum hull_side side, struct tcs_line_point point,
                           struct tcs_rate rate, int64_t ticks)
{
    tcs_i128 run = (tcs_i128)ticks - point.ticks;

    if (run == 0) {
        return point.ns;
    }
    if (rate.ticks == 0) {
        return run > 0 ? UNBOUNDED : -UNBOUNDED;
    }
    tcs_i128 rise = run * (tcs_i128)rate.ns;

    return point.ns + (side == CEILING ? tcs_ceil_div(rise, rate.ticks)
                                       : tcs_floor_div(rise, rate.ticks));
}

/* The rate of the hull's edge from one point to the next; never negative
 * after clamping, as no consistent line falls. */
static struct tcs_rate edge_rate(const struct tcs_line_hull *hull, size_t i)
{
    struct tcs_line_point a = hull->points[i], b = hull->points[i + 1];

    return b.ns < a.ns ? (struct tcs_rate){ 0, 1 }
                       : (struct tcs_rate){ (uint64_t)(b.ns - a.ns),
                                            (uint64_t)(b.ticks - a.ticks) };
}

/*
 * The extreme value at `ticks` over all consistent lines.
 *
 * For a fixed rate r the highest consistent line touches the ceiling, and its
 * value at `ticks` is min over ceiling points of ns + r * (ticks - point): a
 * concave function of r, greatest at the rate of the hull's edge above
 * `ticks`, or at the end of the allowed rates nearest to it. Mirrored for the
 * floor.
 */
static tcs_i128 extreme_at(const struct tcs_lines *lines, enum hull_side side,
                           int64_t ticks)
{
    const struct tcs_line_hull *hull =
        side == CEILING ? &lines->ceiling : &lines->floor;
    struct tcs_rate first = side == CEILING ? lines->rate.lo : lines->rate.hi;
    struct tcs_rate last = side == CEILING ? lines->rate.hi : lines->rate.lo;
    struct tcs_rate rate;

    if (ticks <= hull->points[0].ticks) {
        rate = first;
    } else if (ticks >= hull->points[hull->n - 1].ticks) {
        rate = last;
    } else {
        size_t i = 0;

        while (hull->points[i + 1].ticks < ticks) {
            i++;
        }
        rate = edge_rate(hull, i);
        if (tcs_rate_compare(rate, lines->rate.lo) < 0) {
            rate = lines->rate.lo;
        } else if (tcs_rate_compare(rate, lines->rate.hi) > 0) {
            rate = lines->rate.hi;
        }
    }

    tcs_i128 extreme = line_value(side, hull->points[0], rate, ticks);

    for (size_t i = 1; i < hull->n; i++) {
        tcs_i128 value = line_value(side, hull->points[i], rate, ticks);

        if ((value - extreme) * side < 0) {
            extreme = value;
        }
    }
    return extreme;
}

static int extremes(const struct tcs_lines *lines, tcs_i128 lo_at,
                    tcs_i128 hi_at, tcs_i128 *ret_lo_ns, tcs_i128 *ret_hi_ns)
{
    struct tcs_line_point lo, hi;
    int ret;

    if (lines->readings == 0) {
        return -ERANGE;
    }
    ret = place(lines, lo_at, lines->origin_ns, &lo);
    if (ret == 0) {
        ret = place(lines, hi_at, lines->origin_ns, &hi);
    }
    if (ret < 0) {
        return ret;
    }
    *ret_lo_ns = lines->origin_ns + extreme_at(lines, FLOOR, lo.ticks);
    *ret_hi_ns = lines->origin_ns + extreme_at(lines, CEILING, hi.ticks);
    return 0;
}

int tcs_lines_extremes(const struct tcs_lines *lines,
                       struct tcs_host_ticks lo_at, struct tcs_host_ticks hi_at,
                       tcs_i128 *ret_lo_ns, tcs_i128 *ret_hi_ns)
{
    return extremes(lines, lo_at.ticks, hi_at.ticks, ret_lo_ns, ret_hi_ns);
}

int tcs_lines_at(const struct tcs_lines *lines, struct tcs_host_span at,
                 struct tcs_ns_span *ret_value)
{
    tcs_i128 lo, hi;
    int ret = extremes(lines, at.lo.ticks, (tcs_i128)at.hi.ticks + 1, &lo, &hi);

    if (ret == 0) {
        *ret_value = tcs_ns_span_from_wide(lo, hi);
    }
    return ret;
}
