/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See export-line.h. A table's course is straight between its points, and a
 * reader's is straight as well; so their distance is largest at a point.
 */
#include "export-line.h"

#include <math.h>

typedef struct tcs_trace_dat_point Point;

static Point point_of(const TcsShiftTable *table, guint i)
{
    return g_array_index(table->points, Point, i);
}

static guint64 bound_of(const TcsShiftTable *table, guint segment)
{
    return g_array_index(table->bounds, guint64, segment);
}

/* Segments `first` to `end` - 1, which have no gap between them. */
typedef struct {
    guint first, end;
} Stretch;

static Stretch longest_stretch(const TcsShiftTable *table)
{
    Stretch longest = { 0, 0 };
    guint64 time = 0;

    for (guint i = 0; i < table->bounds->len; i++) {
        const guint first = i;
        guint64 run;

        while (i < table->bounds->len && bound_of(table, i) != G_MAXUINT64) {
            i++;
        }
        run = point_of(table, i).time - point_of(table, first).time;
        if (run > time) {
            time = run;
            longest = (Stretch){ first, i };
        }
    }
    return longest;
}

/* What is to be added to the line at a point; exact where its slope is 1. */
static long double residual(const TcsLine *line, Point point)
{
    const gint64 run = (gint64)(point.time - line->from);
    const gint64 rise = (gint64)(point.time + (guint64)point.offset - line->to);

    return line->slope == 1
               ? (long double)(gint64)((guint64)rise - (guint64)run)
               : (long double)rise - line->slope * run;
}

/* Weighted sums of points' distances from a line of slope 1, for a regression.
 */
typedef struct {
    long double weight, run, rest, run_run, run_rest;
} Sums;

static void add_segment(Sums *sums, const TcsLine *line,
                        const TcsShiftTable *table, guint segment)
{
    const Point ends[] = { point_of(table, segment),
                           point_of(table, segment + 1) };
    const long double bound = (long double)bound_of(table, segment) + 1;
    const long double weight =
        (long double)(ends[1].time - ends[0].time) / (bound * bound);

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        const long double run = (gint64)(ends[i].time - line->from);
        const long double rest = residual(line, ends[i]);

        sums->weight += weight;
        sums->run += weight * run;
        sums->rest += weight * rest;
        sums->run_run += weight * run * run;
        sums->run_rest += weight * run * rest;
    }
}

static void add_stretch(Sums *sums, const TcsLine *line,
                        const TcsShiftTable *table)
{
    const Stretch stretch = longest_stretch(table);

    for (guint i = stretch.first; i < stretch.end; i++) {
        add_segment(sums, line, table, i);
    }
}

/* A line through the middle of the longest stretch: sums there stay small. */
static TcsLine start_line(const TcsShiftTable *table, long double slope)
{
    const Stretch stretch = longest_stretch(table);
    const Point origin = point_of(table, (stretch.first + stretch.end) / 2);

    return (TcsLine){ .from = origin.time,
                      .to = origin.time + (guint64)origin.offset,
                      .slope = slope };
}

long double tcs_line_slope(const TcsShiftTable *table)
{
    const TcsLine line = start_line(table, 1);
    Sums sums = { 0 };
    long double divisor;

    add_stretch(&sums, &line, table);
    divisor = sums.weight * sums.run_run - sums.run * sums.run;
    return divisor > 0
               ? 1 + (sums.weight * sums.run_rest - sums.run * sums.rest) /
                         divisor
               : 1;
}

TcsLine tcs_line_fit(const GPtrArray *tables, long double slope)
{
    TcsLine line = start_line(g_ptr_array_index(tables, 0), slope);
    Sums sums = { 0 };

    for (guint t = 0; t < tables->len; t++) {
        add_stretch(&sums, &line, g_ptr_array_index(tables, t));
    }
    if (sums.weight > 0) {
        line.to += (guint64)llroundl(sums.rest / sums.weight);
    }
    return line;
}

guint64 tcs_line_spread(const GPtrArray *tables, long double slope)
{
    const TcsLine line = start_line(g_ptr_array_index(tables, 0), slope);
    long double lo = INFINITY, hi = -INFINITY;

    for (guint t = 0; t < tables->len; t++) {
        Sums sums = { 0 };

        add_stretch(&sums, &line, g_ptr_array_index(tables, t));
        if (sums.weight > 0) {
            lo = fminl(lo, sums.rest / sums.weight);
            hi = fmaxl(hi, sums.rest / sums.weight);
        }
    }
    return lo < hi ? (guint64)ceill(hi - lo) : 0;
}

static guint64 distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

/* The same for the part of a segment; 0 in a gap. */
static guint64 error_in(const TcsShiftTable *table, guint segment, guint64 from,
                        guint64 to, TcsReader reader, gconstpointer data,
                        guint64 rounding)
{
    const struct tcs_trace_dat_point ends[] = { point_of(table, segment),
                                                point_of(table, segment + 1) };
    const struct tcs_trace_dat_shift shift = { ends, 2 };
    const guint64 stamps[] = { MAX(from, ends[0].time), MIN(to, ends[1].time) };
    guint64 worst = 0;

    if (stamps[0] > stamps[1] || bound_of(table, segment) == G_MAXUINT64) {
        return 0;
    }
    for (guint i = 0; i < G_N_ELEMENTS(stamps); i++) {
        guint64 shown, off;

        if (tcs_trace_dat_corrected(shift, stamps[i], &shown) < 0) {
            return G_MAXUINT64;
        }
        off = distance(reader(stamps[i], data), shown);
        if (__builtin_add_overflow(off, bound_of(table, segment), &off) ||
            __builtin_add_overflow(off, 2 * rounding, &off)) {
            return G_MAXUINT64;
        }
        worst = MAX(worst, off);
    }
    return worst;
}

guint64 tcs_line_error_within(const TcsShiftTable *table, guint64 from,
                              guint64 to, TcsReader reader, gconstpointer data,
                              guint64 rounding)
{
    guint lo = 0, hi = table->bounds->len;
    guint64 worst = 0;

    /* The segment that has `from`, or the first one. */
    while (hi - lo > 1) {
        guint middle = lo + (hi - lo) / 2;

        if (point_of(table, middle).time <= from) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    for (guint i = lo; i < table->bounds->len && point_of(table, i).time <= to;
         i++) {
        guint64 error = error_in(table, i, from, to, reader, data, rounding);

        worst = MAX(worst, error);
    }
    return worst;
}

static gint compare_shares(gconstpointer a, gconstpointer b)
{
    const guint64 x = ((const TcsErrorShare *)a)->error,
                  y = ((const TcsErrorShare *)b)->error;

    return x < y ? -1 : x > y;
}

guint64 tcs_line_better_half(GArray *shares)
{
    long double all = 0, so_far = 0;
    guint64 error = 0;

    g_array_sort(shares, compare_shares);
    for (guint i = 0; i < shares->len; i++) {
        all += g_array_index(shares, TcsErrorShare, i).time;
    }
    for (guint i = 0; i < shares->len && so_far < all / 2; i++) {
        so_far += g_array_index(shares, TcsErrorShare, i).time;
        error = g_array_index(shares, TcsErrorShare, i).error;
    }
    return error;
}

TcsLineError tcs_line_error(const GPtrArray *tables, TcsReader reader,
                            gconstpointer data, guint64 rounding)
{
    g_autoptr(GArray) shares = g_array_new(FALSE, FALSE, sizeof(TcsErrorShare));
    TcsLineError result = { 0 };

    for (guint t = 0; t < tables->len; t++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, t);
        const Stretch stretch = longest_stretch(table);

        for (guint i = 0; i < table->bounds->len; i++) {
            const guint64 from = point_of(table, i).time;
            const guint64 to = point_of(table, i + 1).time;
            const TcsErrorShare share = {
                error_in(table, i, from, to, reader, data, rounding), to - from
            };

            if (i < stretch.first || i >= stretch.end) {
                result.elsewhere = MAX(result.elsewhere, share.error);
            } else {
                result.worst = MAX(result.worst, share.error);
                g_array_append_val(shares, share);
            }
        }
    }
    result.half = tcs_line_better_half(shares);
    return result;
}

guint64 tcs_line_last_stamp(const GPtrArray *tables)
{
    guint64 last = 0;

    for (guint i = 0; i < tables->len; i++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, i);

        last = MAX(last, point_of(table, table->bounds->len).time);
    }
    return last;
}

guint64 tcs_line_last_shown(const GPtrArray *tables)
{
    guint64 last = 0;

    for (guint i = 0; i < tables->len; i++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, i);
        const Point point = point_of(table, table->bounds->len);

        last = MAX(last, point.time + (guint64)point.offset);
    }
    return last;
}
