/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stretches of a drift, between gaps.
 */
#include "drift-impl.h"

/* Levels of more than so many times the tallest stretch are told apart. */
#define APART 4.0

void tcs_drift_stretch_free(gpointer data)
{
    TcsDriftStretch *stretch = data;

    g_array_unref(stretch->points);
    g_free(stretch);
}

void tcs_drift_add_stretches(TcsDriftBuilder *b)
{
    TcsDrift *drift = b->drift;
    TcsDriftStretch *stretch = NULL;
    const TcsDriftMoment *last_known = NULL;

    for (guint i = 0; i < b->moments->len; i++) {
        const TcsDriftMoment *moment =
            &g_array_index(b->moments, TcsDriftMoment, i);
        TcsDriftPoint point = { .at = tcs_drift_time(b, moment->ticks) };

        if (!moment->known) {
            stretch = NULL;
            continue;
        }
        if (!stretch) {
            TcsDriftGap gap = {
                last_known ? tcs_drift_time(b, last_known->ticks) : 0, point.at
            };

            if (gap.to > gap.from) {
                g_array_append_val(drift->gaps, gap);
            }
            stretch = g_new0(TcsDriftStretch, 1);
            stretch->points = g_array_new(FALSE, FALSE, sizeof(TcsDriftPoint));
            g_ptr_array_add(drift->stretches, stretch);
        }
        point.lo = tcs_drift_residual(b, moment->lo, moment->ticks);
        point.hi = tcs_drift_residual(b, moment->hi, moment->ticks);
        g_array_append_val(stretch->points, point);
        last_known = moment;
    }
    if (last_known && tcs_drift_time(b, last_known->ticks) < drift->span) {
        TcsDriftGap gap = { tcs_drift_time(b, last_known->ticks), drift->span };

        g_array_append_val(drift->gaps, gap);
    }
}

static const TcsDriftPoint *point_of(const TcsDriftStretch *stretch, guint i)
{
    return &g_array_index(stretch->points, TcsDriftPoint, i);
}

/* Lowest and highest of a stretch. */
static TcsDriftPoint extent(const TcsDriftStretch *stretch)
{
    TcsDriftPoint all = *point_of(stretch, 0);

    for (guint i = 1; i < stretch->points->len; i++) {
        all.lo = MIN(all.lo, point_of(stretch, i)->lo);
        all.hi = MAX(all.hi, point_of(stretch, i)->hi);
    }
    return all;
}

/* How far a stretch is moved down: its middle at its first moment. */
static double level_of(const TcsDriftStretch *stretch)
{
    return (point_of(stretch, 0)->lo + point_of(stretch, 0)->hi) / 2;
}

/* A step of seconds would leave nothing to be seen of bounds of nanoseconds. */
void tcs_drift_separate(TcsDrift *drift)
{
    double lowest = G_MAXDOUBLE, highest = -G_MAXDOUBLE, tallest = 0;

    for (guint i = 0; i < drift->stretches->len; i++) {
        TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);
        const TcsDriftPoint all = extent(stretch);

        lowest = MIN(lowest, all.lo);
        highest = MAX(highest, all.hi);
        tallest = MAX(tallest, all.hi - all.lo);
        if (i > 0) {
            const TcsDriftStretch *before =
                g_ptr_array_index(drift->stretches, i - 1);
            const TcsDriftPoint *last =
                point_of(before, before->points->len - 1);

            stretch->step = level_of(stretch) - (last->lo + last->hi) / 2;
        }
    }
    drift->stretches_apart = highest - lowest > APART * MAX(tallest, 1);
}

void tcs_drift_move_stretches(TcsDrift *drift)
{
    for (guint i = 0; drift->stretches_apart && i < drift->stretches->len;
         i++) {
        TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);
        const double level = level_of(stretch);

        for (guint k = 0; k < stretch->points->len; k++) {
            TcsDriftPoint *point =
                &g_array_index(stretch->points, TcsDriftPoint, k);

            point->lo -= level;
            point->hi -= level;
        }
        for (guint k = 0; k < drift->samples->len; k++) {
            TcsDriftSample *sample =
                &g_array_index(drift->samples, TcsDriftSample, k);

            if (sample->at >= point_of(stretch, 0)->at &&
                sample->at <= point_of(stretch, stretch->points->len - 1)->at) {
                sample->lo -= level;
                sample->hi -= level;
            }
        }
    }
}

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

void tcs_drift_sum_up(TcsDrift *drift)
{
    g_autoptr(GArray) bounds = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < drift->stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);

        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);
            double bound = (point->hi - point->lo) / 2;

            g_array_append_val(bounds, bound);
        }
    }
    g_array_sort(bounds, compare_doubles);
    drift->median_bound = g_array_index(bounds, double, bounds->len / 2);
    drift->worst_bound = g_array_index(bounds, double, bounds->len - 1);
}
