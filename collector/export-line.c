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

long double tcs_line_slope(const TcsShiftTable *table)
{
    guint64 longest = 0;
    long double slope = 1;

    for (guint i = 0, j; i < table->bounds->len; i = j) {
        Point first = point_of(table, i), last;

        for (j = i;
             j < table->bounds->len && bound_of(table, j) != G_MAXUINT64;) {
            j++;
        }
        last = point_of(table, j);
        if (last.time - first.time > longest) {
            longest = last.time - first.time;
            slope = 1 + (long double)(last.offset - first.offset) / longest;
        }
        j = MAX(j, i + 1);
    }
    return slope;
}

/* What is to be added to line at a point; exact where its slope is 1. */
static long double residual(const TcsLine *line, Point point)
{
    const gint64 run = (gint64)(point.time - line->from);
    const gint64 rise = (gint64)(point.time + (guint64)point.offset - line->to);

    return line->slope == 1
               ? (long double)(gint64)((guint64)rise - (guint64)run)
               : (long double)rise - line->slope * run;
}

TcsLine tcs_line_fit(const GPtrArray *tables, long double slope)
{
    const Point origin = point_of(g_ptr_array_index(tables, 0), 0);
    TcsLine line = { .from = origin.time,
                     .to = origin.time + (guint64)origin.offset,
                     .slope = slope };
    long double lo = INFINITY, hi = -INFINITY;

    for (guint t = 0; t < tables->len; t++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, t);

        for (guint i = 0; i < table->bounds->len; i++) {
            const guint64 bound = bound_of(table, i);

            for (guint end = i; bound != G_MAXUINT64 && end <= i + 1; end++) {
                long double at = residual(&line, point_of(table, end));

                lo = fminl(lo, at - bound);
                hi = fmaxl(hi, at + bound);
            }
        }
    }
    if (lo <= hi) {
        line.to += (guint64)(gint64)floorl((lo + hi) / 2);
    }
    return line;
}

static guint64 distance(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

guint64 tcs_line_error_within(const TcsShiftTable *table, guint64 from,
                              guint64 to, TcsReader reader, gconstpointer data,
                              guint64 rounding)
{
    const struct tcs_trace_dat_shift shift = tcs_shift_table_shift(table);
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
    for (guint i = lo; i < table->bounds->len; i++) {
        const guint64 ends[] = { MAX(from, point_of(table, i).time),
                                 MIN(to, point_of(table, i + 1).time) };

        if (point_of(table, i).time > to) {
            break;
        }
        if (ends[0] > ends[1] || bound_of(table, i) == G_MAXUINT64) {
            continue;
        }
        for (guint e = 0; e < G_N_ELEMENTS(ends); e++) {
            guint64 shown, off;

            if (tcs_trace_dat_corrected(shift, ends[e], &shown) < 0) {
                return G_MAXUINT64;
            }
            off = distance(reader(ends[e], data), shown);
            if (__builtin_add_overflow(off, bound_of(table, i), &off) ||
                __builtin_add_overflow(off, 2 * rounding, &off)) {
                return G_MAXUINT64;
            }
            worst = MAX(worst, off);
        }
    }
    return worst;
}

guint64 tcs_line_error(const GPtrArray *tables, TcsReader reader,
                       gconstpointer data, guint64 rounding)
{
    guint64 worst = 0;

    for (guint i = 0; i < tables->len; i++) {
        guint64 error =
            tcs_line_error_within(g_ptr_array_index(tables, i), 0, G_MAXUINT64,
                                  reader, data, rounding);

        worst = MAX(worst, error);
    }
    return worst;
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
