/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of straight lines consistent with many readings of one clock.
 *
 * A clock that runs at a constant rate is a line over the host's counter, and
 * each reading says "at some moment in [before, after] the line's value was in
 * [lo, hi]". A counter that shows `after` may be at the end of that tick, and
 * no clock here runs backward; so that is two half-planes: line(before) <= hi
 * and      line(after + 1) >= lo. All lines that satisfy all readings pass
 * between the lower hull of the points (before, hi) and the upper hull of the
 * points (after + 1, lo); so only the hulls are kept, and every answer is exact
 * with outward rounding.
 */
#ifndef CLOCKSYNC_LINES_H
#define CLOCKSYNC_LINES_H

#include <stddef.h>

#include "reading.h"

struct tcs_line_point {
    int64_t ticks; /* host ticks since lines->origin.ticks */
    int64_t ns;    /* ns since lines->origin_ns */
};

/* A convex chain; owned by struct tcs_lines. */
struct tcs_line_hull {
    struct tcs_line_point *points;
    size_t n;
    size_t capacity;
};

struct tcs_lines {
    struct tcs_rate_span allowed;
    struct tcs_host_ticks origin;
    int64_t origin_ns;
    size_t readings;
    struct tcs_line_hull ceiling; /* lower hull of (before, hi) */
    struct tcs_line_hull floor;   /* upper hull of (after + 1, lo) */
    struct tcs_rate_span rate;    /* of the lines consistent with all */
};

/* An empty set whose lines may have any rate in `allowed`. Never fails. */
void tcs_lines_init(struct tcs_lines *lines, struct tcs_rate_span allowed);

/* Frees what tcs_lines_add() allocated. */
void tcs_lines_clear(struct tcs_lines *lines);

/*
 * Adds a reading. Readings come in the order they were taken: neither end of
 * `when` may be earlier than that of the reading before.
 *
 * Returns 0; -EINVAL for a reading out of order or with an unknown end;
 * -ERANGE where it is 2^61 ticks or ns or more away from the first; -ENOMEM;
 * -EDOM where no line is consistent with this and the earlier readings: then
 * the reading is not added and the set stays usable.
 */
int tcs_lines_add(struct tcs_lines *lines,
                  const struct tcs_host_reading *reading);

/*
 * Adds two bounds as they are: line(ceiling_at) <= ceiling_ns and
 * line(floor_at) >= floor_ns. In any order, and either may be the earlier, or
 * the lower, one.
 *
 * Returns 0; -ERANGE, -ENOMEM and -EDOM as above: then neither is added.
 */
int tcs_lines_add_bounds(struct tcs_lines *lines,
                         struct tcs_host_ticks ceiling_at, int64_t ceiling_ns,
                         struct tcs_host_ticks floor_at, int64_t floor_ns);

/* The rates of all consistent lines, ends included. */
struct tcs_rate_span tcs_lines_rate(const struct tcs_lines *lines);

/*
 * Every value a consistent line takes at any moment of `at`, the ends of its
 * last tick included. Inside the span
 * of the readings this is an interpolation, outside it fans out with the rates
 * still possible.
 *
 * Returns 0, or -ERANGE where there is no reading or `at` is 2^61 ticks or
 * more away from the first.
 */
int tcs_lines_at(const struct tcs_lines *lines, struct tcs_host_span at,
                 struct tcs_ns_span *ret_value);

/* About how far away an end is that nothing bounds: tcs_lines_extremes(). */
#define TCS_LINES_UNBOUNDED ((tcs_i128)1 << 126)

/*
 * The least value of a consistent line at `lo_at`, rounded down, and the most
 * at `hi_at`, rounded up, as they are: neither need fit int64_t, and each is
 * beyond half of TCS_LINES_UNBOUNDED where nothing bounds it.
 *
 * Returns 0, or -ERANGE as above.
 */
int tcs_lines_extremes(const struct tcs_lines *lines,
                       struct tcs_host_ticks lo_at, struct tcs_host_ticks hi_at,
                       tcs_i128 *ret_lo_ns, tcs_i128 *ret_hi_ns);

#endif
