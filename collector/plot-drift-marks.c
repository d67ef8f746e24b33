/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-drift-impl.h.
 */
#include "plot-drift-impl.h"

#include <math.h>

#define EPOCH_SPACE 3.0
/* A gap that is shorter than this is drawn as long. */
#define GAP_MIN 3.0

double tcs_plot_drift_x(const TcsDriftDrawing *d, double at)
{
    return plot_axis_at(&d->x, at);
}

double tcs_plot_drift_y(const TcsDriftDrawing *d, double offset)
{
    return CLAMP(plot_axis_at(&d->y, offset), d->top, TCS_DRIFT_BOTTOM);
}

double tcs_plot_drift_bound(const TcsDriftDrawing *d, double width)
{
    return plot_axis_at(&d->bound, log10(MAX(width / 2, 1)));
}

static const TcsDriftPoint *point_of(const TcsDriftStretch *stretch, guint i)
{
    return &g_array_index(stretch->points, TcsDriftPoint, i);
}

/*
 * The ends of a stretch's points in each column of pixels; all points where
 * there are fewer. TRUE: `upper` are the higher ones.
 */
static void trace_edge(TcsDriftDrawing *d, const TcsDriftStretch *stretch,
                       gboolean upper)
{
    const gint n = (gint)stretch->points->len;
    gint i = upper ? 0 : n - 1;
    const gint step = upper ? 1 : -1;

    while (i >= 0 && i < n) {
        const double x = tcs_plot_drift_x(d, point_of(stretch, (guint)i)->at);
        double y = tcs_plot_drift_y(d, upper ? point_of(stretch, (guint)i)->hi
                                             : point_of(stretch, (guint)i)->lo);

        for (i += step; i >= 0 && i < n; i += step) {
            const TcsDriftPoint *next = point_of(stretch, (guint)i);
            const double next_y =
                tcs_plot_drift_y(d, upper ? next->hi : next->lo);

            if (fabs(tcs_plot_drift_x(d, next->at) - x) >= 1) {
                break;
            }
            y = upper ? MIN(y, next_y) : MAX(y, next_y);
        }
        plot_line(d->canvas, x, y);
    }
}

void tcs_plot_drift_bands(TcsDriftDrawing *d)
{
    const GPtrArray *stretches = d->drift->stretches;

    for (guint i = 0; i < stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(stretches, i);

        trace_edge(d, stretch, TRUE);
        trace_edge(d, stretch, FALSE);
        plot_fill(d->canvas, PLOT_AREA);
        for (guint upper = 0; upper < 2; upper++) {
            trace_edge(d, stretch, upper);
            plot_stroke(d->canvas, 1.2, FALSE, PLOT_BLUE);
        }
        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);

            d->moments++;
            d->cut += point->lo < d->y.lo || point->hi > d->y.hi;
        }
    }
}

void tcs_plot_drift_bounds(TcsDriftDrawing *d)
{
    const GPtrArray *stretches = d->drift->stretches;

    for (guint i = 0; i < stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(stretches, i);

        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);

            plot_line(d->canvas, tcs_plot_drift_x(d, point->at),
                      tcs_plot_drift_bound(d, point->hi - point->lo));
        }
        plot_stroke(d->canvas, 1.2, FALSE, PLOT_BLUE);
    }
}

void tcs_plot_drift_gaps(TcsDriftDrawing *d)
{
    double reached = 0;

    for (guint i = 0; i < d->drift->gaps->len; i++) {
        const TcsDriftGap *gap = &g_array_index(d->drift->gaps, TcsDriftGap, i);
        const double from = MAX(tcs_plot_drift_x(d, gap->from), reached);
        const double to = MAX(tcs_plot_drift_x(d, gap->to), from + GAP_MIN);

        if (to > tcs_plot_drift_x(d, gap->to) + GAP_MIN) {
            continue; /* in one that is drawn already */
        }
        plot_hatch(d->canvas, from, d->top, MIN(to, TCS_DRIFT_RIGHT) - from,
                   TCS_DRIFT_BOTTOM - d->top, PLOT_UNKNOWN);
        plot_hatch(d->canvas, from, TCS_DRIFT_BOUND_TOP,
                   MIN(to, TCS_DRIFT_RIGHT) - from,
                   TCS_DRIFT_BOUND_BOTTOM - TCS_DRIFT_BOUND_TOP, PLOT_UNKNOWN);
        reached = to;
    }
}

static gboolean is_shown(const TcsDriftDrawing *d, double offset)
{
    return offset >= d->y.lo && offset <= d->y.hi;
}

gboolean tcs_plot_drift_fits(const TcsDriftDrawing *d,
                             const TcsDriftSample *sample)
{
    return is_shown(d, sample->lo) || is_shown(d, sample->hi);
}

/* Its interval above, where an end of it is seen; how wide it is below. */
static void draw_sample(TcsDriftDrawing *d, const TcsDriftSample *sample)
{
    const double x = tcs_plot_drift_x(d, sample->at);
    const double ends[] = { sample->lo, sample->hi };

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        if (is_shown(d, ends[i])) {
            plot_move(d->canvas, x - 3, tcs_plot_drift_y(d, ends[i]));
            plot_line(d->canvas, x + 3, tcs_plot_drift_y(d, ends[i]));
        }
    }
    if (!tcs_plot_drift_fits(d, sample)) {
        d->wide++;
    } else {
        plot_move(d->canvas, x, tcs_plot_drift_y(d, ends[0]));
        plot_line(d->canvas, x, tcs_plot_drift_y(d, ends[1]));
    }
    plot_cross(d->canvas, x, tcs_plot_drift_bound(d, sample->hi - sample->lo),
               7);
}

/* The tightest of those that are too near to each other. */
void tcs_plot_drift_samples(TcsDriftDrawing *d)
{
    const GArray *samples = d->drift->samples;
    guint i = 0;

    while (i < samples->len) {
        const TcsDriftSample *best = &g_array_index(samples, TcsDriftSample, i);
        const double x = tcs_plot_drift_x(d, best->at);

        for (i++; i < samples->len; i++) {
            const TcsDriftSample *next =
                &g_array_index(samples, TcsDriftSample, i);

            if (tcs_plot_drift_x(d, next->at) - x >= TCS_DRIFT_SAMPLE_SPACE) {
                break;
            }
            d->left_out++;
            if (next->hi - next->lo < best->hi - best->lo) {
                best = next;
            }
        }
        draw_sample(d, best);
    }
    plot_stroke(d->canvas, 1, FALSE, PLOT_BLACK);
}

/* The step of the stretch that begins with an epoch, or 0. */
static double step_at(const TcsDrift *drift, const TcsDriftEpoch *epoch)
{
    for (guint i = 0; i < drift->gaps->len; i++) {
        const TcsDriftGap *gap = &g_array_index(drift->gaps, TcsDriftGap, i);

        if (epoch->at < gap->from || epoch->at > gap->to) {
            continue;
        }
        for (guint k = 1; k < drift->stretches->len; k++) {
            const TcsDriftStretch *stretch =
                g_ptr_array_index(drift->stretches, k);

            if (point_of(stretch, 0)->at == gap->to) {
                return stretch->step;
            }
        }
    }
    return 0;
}

static char *epoch_label(const TcsDriftDrawing *d, const TcsDriftEpoch *epoch)
{
    const double step = step_at(d->drift, epoch);
    g_autofree char *vcpus = epoch->vcpus > 1
                                 ? g_strdup_printf(", %u vCPUs", epoch->vcpus)
                                 : g_strdup("");
    g_autofree char *by = plot_format_length(d->offset_unit, step, FALSE);
    g_autofree char *moved =
        step != 0 ? g_strdup_printf(", step %s%s", step > 0 ? "+" : "", by)
                  : g_strdup("");

    /* What QEMU calls unknown was no doing of its own. */
    return g_strdup_printf("%s%s%s",
                           g_str_equal(epoch->cause, "unknown")
                               ? "guest set its counter?"
                               : epoch->cause,
                           vcpus, moved);
}

void tcs_plot_drift_epochs(TcsDriftDrawing *d)
{
    double row_end[TCS_DRIFT_LABEL_ROWS] = { 0 };
    double last = -EPOCH_SPACE;

    for (guint i = 0; i < d->drift->epochs->len; i++) {
        const TcsDriftEpoch *epoch =
            &g_array_index(d->drift->epochs, TcsDriftEpoch, i);
        const double x = tcs_plot_drift_x(d, epoch->at);
        g_autofree char *label = epoch_label(d, epoch);
        const double width =
            plot_text_width(d->canvas, PLOT_TEXT_SIZE, label) + 10;
        /* To the left of its line where there is no room to the right. */
        const double from = x + width > TCS_DRIFT_RIGHT ? x - width : x;
        guint row = 0;

        if (x - last >= EPOCH_SPACE) {
            plot_move(d->canvas, x, d->top - 4);
            plot_line(d->canvas, x, TCS_DRIFT_BOUND_BOTTOM);
            plot_stroke(d->canvas, 1.5, TRUE, PLOT_PURPLE);
            last = x;
        }
        while (row < TCS_DRIFT_LABEL_ROWS && row_end[row] > from) {
            row++;
        }
        if (row == TCS_DRIFT_LABEL_ROWS || from < TCS_DRIFT_LEFT - 60) {
            d->unlabeled++;
            continue;
        }
        plot_text(d->canvas, from + 4,
                  d->top - 8 - TCS_DRIFT_LABEL_HEIGHT * row, PLOT_TEXT_SIZE,
                  PLOT_LEFT, PLOT_TEXT, label);
        row_end[row] = from + width;
    }
}
