/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-drift.h. From numbers to a picture; nothing is computed here.
 */
#include "plot-drift.h"

#include <math.h>
#include <stdlib.h>

#include "plot/axis.h"
#include "plot/legend.h"
#include "report-util.h"

#define HEIGHT 720.0
#define LEFT   100.0
#define RIGHT  (TCS_PLOT_WIDTH - 30)
/* The offset's panel ends here; below it is the bound's. */
#define BOTTOM       (HEIGHT - 240)
#define BOUND_TOP    (BOTTOM + 22)
#define BOUND_BOTTOM (HEIGHT - 60)
#define LABEL_HEIGHT 16.0
#define LABEL_ROWS   3
/* Between two samples' intervals, pixels. */
#define SAMPLE_SPACE 3.0
#define EPOCH_SPACE  3.0
/* A gap that is shorter than this is drawn as long. */
#define GAP_MIN 3.0
/* This part of the moments is wholly inside of the offset's panel. */
#define INSIDE 0.9

typedef struct {
    const TcsDrift *drift;
    PlotCanvas *canvas;
    PlotUnit time_unit, offset_unit;
    PlotAxis x, y;
    PlotAxis bound; /* of logarithms */
    double top;
    guint cut; /* moments whose band goes on outside */
    guint moments;
    guint left_out;  /* samples that are not drawn: too many */
    guint unlabeled; /* epochs */
} Drawing;

static double at_x(const Drawing *d, double at)
{
    return plot_axis_at(&d->x, at);
}

/* Held to the frame. */
static double at_y(const Drawing *d, double offset)
{
    return CLAMP(plot_axis_at(&d->y, offset), d->top, BOTTOM);
}

/* Of the width of an interval, which is twice the bound. */
static double at_bound(const Drawing *d, double width)
{
    return plot_axis_at(&d->bound, log10(MAX(width / 2, 1)));
}

static const TcsDriftPoint *point_of(const TcsDriftStretch *stretch, guint i)
{
    return &g_array_index(stretch->points, TcsDriftPoint, i);
}

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Nothing is below a unit, which is as fine as any clock. */
static double log_of(double bound)
{
    return log10(MAX(bound, 1));
}

/*
 * All middles, and most of the band: where it is far wider than elsewhere, at
 * the ends of a log, nothing would be left to be seen of the rest.
 */
static void make_axes(Drawing *d)
{
    const TcsDrift *drift = d->drift;
    g_autoptr(GArray) lows = g_array_new(FALSE, FALSE, sizeof(double));
    g_autoptr(GArray) highs = g_array_new(FALSE, FALSE, sizeof(double));
    double lo = G_MAXDOUBLE, hi = -G_MAXDOUBLE, room, tightest = G_MAXDOUBLE,
           widest = drift->worst_bound;
    guint outside;

    for (guint i = 0; i < drift->stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);

        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);

            lo = MIN(lo, (point->lo + point->hi) / 2);
            hi = MAX(hi, (point->lo + point->hi) / 2);
            tightest = MIN(tightest, (point->hi - point->lo) / 2);
            g_array_append_val(lows, point->lo);
            g_array_append_val(highs, point->hi);
        }
    }
    for (guint i = 0; i < drift->samples->len; i++) {
        const TcsDriftSample *sample =
            &g_array_index(drift->samples, TcsDriftSample, i);

        widest = MAX(widest, (sample->hi - sample->lo) / 2);
        tightest = MIN(tightest, (sample->hi - sample->lo) / 2);
    }
    g_array_sort(lows, compare_doubles);
    g_array_sort(highs, compare_doubles);
    outside = (guint)((1 - INSIDE) * lows->len);
    lo = MIN(lo, g_array_index(lows, double, outside));
    hi = MAX(hi, g_array_index(highs, double, highs->len - 1 - outside));
    room = MAX(hi - lo, 2) * 0.15;
    d->x = plot_axis(d->time_unit, 0, drift->span, LEFT, RIGHT, 90);
    d->y = plot_axis(d->offset_unit, lo - room, hi + room, BOTTOM, d->top, 45);
    d->bound =
        plot_axis(d->offset_unit, floor(log_of(tightest)),
                  floor(log_of(widest)) + 1, BOUND_BOTTOM, BOUND_TOP, 20);
}

/*
 * The ends of a stretch's points in each column of pixels; all points where
 * there are fewer. TRUE: `upper` are the higher ones.
 */
static void trace_edge(Drawing *d, const TcsDriftStretch *stretch,
                       gboolean upper)
{
    const gint n = (gint)stretch->points->len;
    gint i = upper ? 0 : n - 1;
    const gint step = upper ? 1 : -1;

    while (i >= 0 && i < n) {
        const double x = at_x(d, point_of(stretch, (guint)i)->at);
        double y = at_y(d, upper ? point_of(stretch, (guint)i)->hi
                                 : point_of(stretch, (guint)i)->lo);

        for (i += step; i >= 0 && i < n; i += step) {
            const TcsDriftPoint *next = point_of(stretch, (guint)i);
            const double next_y = at_y(d, upper ? next->hi : next->lo);

            if (fabs(at_x(d, next->at) - x) >= 1) {
                break;
            }
            y = upper ? MIN(y, next_y) : MAX(y, next_y);
        }
        plot_line(d->canvas, x, y);
    }
}

static void draw_bands(Drawing *d)
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

static void draw_bounds(Drawing *d)
{
    const GPtrArray *stretches = d->drift->stretches;

    for (guint i = 0; i < stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(stretches, i);

        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);

            plot_line(d->canvas, at_x(d, point->at),
                      at_bound(d, point->hi - point->lo));
        }
        plot_stroke(d->canvas, 1.2, FALSE, PLOT_BLUE);
    }
}

static void draw_gaps(Drawing *d)
{
    double reached = 0;

    for (guint i = 0; i < d->drift->gaps->len; i++) {
        const TcsDriftGap *gap = &g_array_index(d->drift->gaps, TcsDriftGap, i);
        const double from = MAX(at_x(d, gap->from), reached);
        const double to = MAX(at_x(d, gap->to), from + GAP_MIN);

        if (to > at_x(d, gap->to) + GAP_MIN) {
            continue; /* in one that is drawn already */
        }
        plot_hatch(d->canvas, from, d->top, MIN(to, RIGHT) - from,
                   BOTTOM - d->top, PLOT_UNKNOWN);
        plot_hatch(d->canvas, from, BOUND_TOP, MIN(to, RIGHT) - from,
                   BOUND_BOTTOM - BOUND_TOP, PLOT_UNKNOWN);
        reached = to;
    }
}

/* Its interval above, where an end of it is seen; how wide it is below. */
static void draw_sample(Drawing *d, const TcsDriftSample *sample)
{
    const double x = at_x(d, sample->at);
    const double ends[] = { sample->lo, sample->hi };
    gboolean seen = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        if (ends[i] >= d->y.lo && ends[i] <= d->y.hi) {
            plot_move(d->canvas, x - 3, at_y(d, ends[i]));
            plot_line(d->canvas, x + 3, at_y(d, ends[i]));
            seen = TRUE;
        }
    }
    if (seen) {
        plot_move(d->canvas, x, at_y(d, ends[0]));
        plot_line(d->canvas, x, at_y(d, ends[1]));
    }
    plot_cross(d->canvas, x, at_bound(d, sample->hi - sample->lo), 7);
}

/* The tightest of those that are too near to each other. */
static void draw_samples(Drawing *d)
{
    const GArray *samples = d->drift->samples;
    guint i = 0;

    while (i < samples->len) {
        const TcsDriftSample *best = &g_array_index(samples, TcsDriftSample, i);
        const double x = at_x(d, best->at);

        for (i++; i < samples->len; i++) {
            const TcsDriftSample *next =
                &g_array_index(samples, TcsDriftSample, i);

            if (at_x(d, next->at) - x >= SAMPLE_SPACE) {
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

static char *epoch_label(const Drawing *d, const TcsDriftEpoch *epoch)
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

static void draw_epochs(Drawing *d)
{
    double row_end[LABEL_ROWS] = { 0 };
    double last = -EPOCH_SPACE;

    for (guint i = 0; i < d->drift->epochs->len; i++) {
        const TcsDriftEpoch *epoch =
            &g_array_index(d->drift->epochs, TcsDriftEpoch, i);
        const double x = at_x(d, epoch->at);
        g_autofree char *label = epoch_label(d, epoch);
        const double width =
            plot_text_width(d->canvas, PLOT_TEXT_SIZE, label) + 10;
        /* To the left of its line where there is no room to the right. */
        const double from = x + width > RIGHT ? x - width : x;
        guint row = 0;

        if (x - last >= EPOCH_SPACE) {
            plot_move(d->canvas, x, d->top - 4);
            plot_line(d->canvas, x, BOUND_BOTTOM);
            plot_stroke(d->canvas, 1.5, TRUE, PLOT_PURPLE);
            last = x;
        }
        while (row < LABEL_ROWS && row_end[row] > from) {
            row++;
        }
        if (row == LABEL_ROWS || from < LEFT - 60) {
            d->unlabeled++;
            continue;
        }
        plot_text(d->canvas, from + 4, d->top - 8 - LABEL_HEIGHT * row,
                  PLOT_TEXT_SIZE, PLOT_LEFT, PLOT_TEXT, label);
        row_end[row] = from + width;
    }
}

/* What is taken off, so that what is left can be seen. */
static char *line_text(const TcsDrift *drift)
{
    g_autofree char *seconds = tcs_format_seconds(drift->level);
    g_autofree char *level =
        drift->is_ticks
            ? g_strdup_printf("%" G_GINT64_FORMAT " ticks", drift->level)
            : g_strdup(seconds);

    return g_strdup_printf(
        "guest \xe2\x88\x92 host = %s %+.*f ppm of the time since the start "
        "+ what is drawn%s",
        level, fabs(drift->slope_ppm) < 100 ? 4 : 1, drift->slope_ppm,
        drift->stretches_apart
            ? "; each stretch between gaps from its own level"
            : "");
}

static char *figures_text(const Drawing *d)
{
    const TcsDrift *drift = d->drift;
    g_autofree char *median =
        plot_format_length(d->offset_unit, drift->median_bound, TRUE);
    g_autofree char *worst =
        plot_format_length(d->offset_unit, drift->worst_bound, TRUE);

    return g_strdup_printf(
        "bound: \xc2\xb1 %s at half of the moments, \xc2\xb1 %s at all that are "
        "known; %u samples, %u gaps, %u epochs",
        median, worst, drift->n_samples, drift->gaps->len, drift->epochs->len);
}

/* What the picture does not show. NULL: it shows all. */
static char *left_out_text(const Drawing *d)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (d->left_out > 0) {
        g_string_append_printf(
            text,
            "%u of %u samples' intervals are not drawn: of those within "
            "%.0f pixels the tightest is. ",
            d->left_out, d->drift->samples->len, SAMPLE_SPACE);
    }
    if (d->drift->n_unplaced > 0) {
        g_string_append_printf(text,
                               "%u samples have no interval of their own. ",
                               d->drift->n_unplaced);
    }
    if (d->cut > 0) {
        g_string_append_printf(
            text,
            "At %.1f %% of the moments the band goes on outside of the upper "
            "panel. ",
            100.0 * d->cut / d->moments);
    }
    if (d->unlabeled > 0) {
        g_string_append_printf(text, "%u epochs are not labelled. ",
                               d->unlabeled);
    }
    return text->len ? g_strdup(text->str) : NULL;
}

static void draw_frame(Drawing *d)
{
    g_autofree char *x_label = g_strdup_printf(
        "time since the log's first sample (%s)", d->x.unit_name);
    g_autofree char *y_label = g_strdup_printf(
        "guest \xe2\x88\x92 host without the line (%s)", d->y.unit_name);

    plot_axis_draw_x(d->canvas, &d->x, d->top, BOTTOM, FALSE);
    plot_axis_draw_y(d->canvas, &d->y, LEFT, RIGHT);
    plot_axis_draw_x(d->canvas, &d->x, BOUND_TOP, BOUND_BOTTOM, TRUE);
    plot_axis_draw_decades(d->canvas, &d->bound, d->offset_unit, LEFT, RIGHT);
    plot_border(d->canvas, LEFT, d->top, RIGHT - LEFT, BOTTOM - d->top,
                PLOT_FRAME);
    plot_border(d->canvas, LEFT, BOUND_TOP, RIGHT - LEFT,
                BOUND_BOTTOM - BOUND_TOP, PLOT_FRAME);
    plot_text(d->canvas, (LEFT + RIGHT) / 2, BOUND_BOTTOM + 36, PLOT_TEXT_SIZE,
              PLOT_MIDDLE, PLOT_TEXT, x_label);
    plot_text_upward(d->canvas, 20, (d->top + BOTTOM) / 2, PLOT_TEXT_SIZE,
                     PLOT_TEXT, y_label);
    plot_text_upward(d->canvas, 20, (BOUND_TOP + BOUND_BOTTOM) / 2,
                     PLOT_TEXT_SIZE, PLOT_TEXT, "bound (\xc2\xb1)");
}

static double draw_legend(Drawing *d, double y)
{
    const TcsDrift *drift = d->drift;
    PlotLegendItem items[6];
    gsize n = 0;

    items[n++] = (PlotLegendItem){ PLOT_SWATCH_AREA, PLOT_AREA,
                                   "the true offset lies in here" };
    items[n++] =
        (PlotLegendItem){ PLOT_SWATCH_LINE, PLOT_BLUE, "its edges; bound" };
    if (drift->samples->len > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_BAR, PLOT_BLACK,
                                       "what one sample alone says" };
        items[n++] =
            (PlotLegendItem){ PLOT_SWATCH_CROSS, PLOT_BLACK, "its bound" };
    }
    if (drift->epochs->len > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_DASHES, PLOT_PURPLE,
                                       "a vCPU's mapping changed (epoch)" };
    }
    if (drift->gaps->len > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_HATCH, PLOT_UNKNOWN,
                                       "unknown (gap)" };
    }
    return plot_legend(d->canvas, LEFT, y, RIGHT - LEFT, items, n);
}

gboolean tcs_plot_drift(const TcsDrift *drift, const TcsPlotOutput *output,
                        GError **error)
{
    g_autoptr(PlotCanvas) canvas =
        plot_canvas_new(output->format, TCS_PLOT_WIDTH, HEIGHT);
    Drawing d = {
        .drift = drift,
        .canvas = canvas,
        .time_unit = drift->has_no_ns ? PLOT_TICKS : PLOT_NANOSECONDS,
        .offset_unit = drift->is_ticks ? PLOT_TICKS : PLOT_NANOSECONDS,
    };
    g_autofree char *span = plot_format_length(d.time_unit, drift->span, FALSE);
    g_autofree char *title =
        g_strdup_printf("%s \xe2\x88\x92 %s of VM %s over %s", drift->guest,
                        drift->host, drift->vm, span);
    g_autofree char *line = line_text(drift);
    g_autofree char *figures = figures_text(&d);
    g_autofree char *left_out = NULL;
    g_autofree char *description = NULL;
    const char *const lines[] = { line, figures, NULL };

    d.top = draw_legend(
                &d, plot_heading(canvas, LEFT, RIGHT - LEFT, title, lines)) +
            (drift->epochs->len > 0 ? LABEL_HEIGHT * LABEL_ROWS : 0) + 8;
    make_axes(&d);
    draw_frame(&d);
    draw_gaps(&d);
    draw_bands(&d);
    draw_bounds(&d);
    draw_samples(&d);
    draw_epochs(&d);
    left_out = left_out_text(&d);
    if (left_out) {
        plot_text(canvas, LEFT, HEIGHT - 6, PLOT_TEXT_SIZE, PLOT_LEFT,
                  PLOT_FAINT, left_out);
    }
    description =
        g_strdup_printf("%s. %s. %s", line, figures, left_out ? left_out : "");
    return tcs_plot_output_write(output, canvas, title, description, error);
}
