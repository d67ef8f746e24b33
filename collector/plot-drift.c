/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-drift.h. From numbers to a picture; nothing is computed here.
 */
#include "plot-drift-impl.h"

#include <math.h>
#include <stdlib.h>

#include "plot/legend.h"
#include "report-util.h"

/* This part of the moments is wholly inside of the offset's panel. */
#define INSIDE 0.9

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
static void make_axes(TcsDriftDrawing *d)
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
    d->x = plot_axis(d->time_unit, 0, drift->span, TCS_DRIFT_LEFT,
                     TCS_DRIFT_RIGHT, 90);
    /* Made again when it is known where its panel begins. */
    d->y = plot_axis(d->offset_unit, lo - room, hi + room, TCS_DRIFT_BOTTOM, 0,
                     45);
    d->bound = plot_axis(d->offset_unit, floor(log_of(tightest)),
                         floor(log_of(widest)) + 1, TCS_DRIFT_BOUND_BOTTOM,
                         TCS_DRIFT_BOUND_TOP, 20);
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
        "the line that is taken off, so that the rest can be seen: %s at the "
        "beginning, and %+.*f ppm of the time since%s",
        level, fabs(drift->slope_ppm) < 100 ? 4 : 1, drift->slope_ppm,
        drift->stretches_apart
            ? "; each stretch between gaps from its own level"
            : "");
}

static char *figures_text(const TcsDriftDrawing *d)
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
static char *left_out_text(const TcsDriftDrawing *d)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (d->left_out > 0) {
        g_string_append_printf(
            text,
            "%u of %u samples' intervals are not drawn: of those within "
            "%.0f pixels the tightest is. ",
            d->left_out, d->drift->samples->len, TCS_DRIFT_SAMPLE_SPACE);
    }
    if (d->wide > 0) {
        g_string_append_printf(
            text, "%u samples' intervals are wider than the upper panel. ",
            d->wide);
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

static void draw_frame(TcsDriftDrawing *d)
{
    g_autofree char *x_label = g_strdup_printf(
        "time since the log's first sample (%s)", d->x.unit_name);
    g_autofree char *y_label = g_strdup_printf(
        "guest \xe2\x88\x92 host, less the line (%s)", d->y.unit_name);

    plot_axis_draw_x(d->canvas, &d->x, d->top, TCS_DRIFT_BOTTOM, FALSE);
    plot_axis_draw_y(d->canvas, &d->y, TCS_DRIFT_LEFT, TCS_DRIFT_RIGHT);
    plot_axis_draw_x(d->canvas, &d->x, TCS_DRIFT_BOUND_TOP,
                     TCS_DRIFT_BOUND_BOTTOM, TRUE);
    plot_axis_draw_decades(d->canvas, &d->bound, d->offset_unit, TCS_DRIFT_LEFT,
                           TCS_DRIFT_RIGHT);
    plot_border(d->canvas, TCS_DRIFT_LEFT, d->top,
                TCS_DRIFT_RIGHT - TCS_DRIFT_LEFT, TCS_DRIFT_BOTTOM - d->top,
                PLOT_FRAME);
    plot_border(d->canvas, TCS_DRIFT_LEFT, TCS_DRIFT_BOUND_TOP,
                TCS_DRIFT_RIGHT - TCS_DRIFT_LEFT,
                TCS_DRIFT_BOUND_BOTTOM - TCS_DRIFT_BOUND_TOP, PLOT_FRAME);
    plot_text(d->canvas, (TCS_DRIFT_LEFT + TCS_DRIFT_RIGHT) / 2,
              TCS_DRIFT_BOUND_BOTTOM + 36, PLOT_TEXT_SIZE, PLOT_MIDDLE,
              PLOT_TEXT, x_label);
    plot_text_upward(d->canvas, 20, (d->top + TCS_DRIFT_BOTTOM) / 2,
                     PLOT_TEXT_SIZE, PLOT_TEXT, y_label);
    plot_text_upward(d->canvas, 20,
                     (TCS_DRIFT_BOUND_TOP + TCS_DRIFT_BOUND_BOTTOM) / 2,
                     PLOT_TEXT_SIZE, PLOT_TEXT, "bound (\xc2\xb1)");
}

/* Samples whose own interval has an end within the offset's panel. */
static guint count_fitting(const TcsDriftDrawing *d)
{
    guint fitting = 0;

    for (guint i = 0; i < d->drift->samples->len; i++) {
        fitting += tcs_plot_drift_fits(
            d, &g_array_index(d->drift->samples, TcsDriftSample, i));
    }
    return fitting;
}

static double draw_legend(TcsDriftDrawing *d, double y)
{
    const TcsDrift *drift = d->drift;
    const guint fitting = count_fitting(d);
    g_autofree char *own =
        g_strdup_printf("what one sample alone says (%u of %u fit here)",
                        fitting, drift->samples->len);
    PlotLegendItem items[6];
    gsize n = 0;

    items[n++] = (PlotLegendItem){ PLOT_SWATCH_AREA, PLOT_AREA,
                                   "the true offset lies in here" };
    items[n++] =
        (PlotLegendItem){ PLOT_SWATCH_LINE, PLOT_BLUE,
                          "its edges; below, half of its width: the bound" };
    if (fitting > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_BAR, PLOT_BLACK, own };
    }
    if (drift->samples->len > 0) {
        items[n++] =
            (PlotLegendItem){ PLOT_SWATCH_CROSS, PLOT_BLACK,
                              "one sample's own bound, at its moment" };
    }
    if (drift->epochs->len > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_DASHES, PLOT_PURPLE,
                                       "a vCPU's mapping changed (epoch)" };
    }
    if (drift->gaps->len > 0) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_HATCH, PLOT_UNKNOWN,
                                       "unknown (gap)" };
    }
    return plot_legend(d->canvas, TCS_DRIFT_LEFT, y,
                       TCS_DRIFT_RIGHT - TCS_DRIFT_LEFT, items, n);
}

gboolean tcs_plot_drift(const TcsDrift *drift, const TcsPlotOutput *output,
                        GError **error)
{
    g_autoptr(PlotCanvas) canvas =
        plot_canvas_new(output->format, TCS_PLOT_WIDTH, TCS_DRIFT_HEIGHT);
    TcsDriftDrawing d = {
        .drift = drift,
        .canvas = canvas,
        .time_unit = drift->has_no_ns ? PLOT_TICKS : PLOT_NANOSECONDS,
        .offset_unit = drift->is_ticks ? PLOT_TICKS : PLOT_NANOSECONDS,
    };
    g_autofree char *span = plot_format_length(d.time_unit, drift->span, FALSE);
    g_autofree char *title = g_strdup_printf(
        "%s \xe2\x88\x92 %s of VM %s over %s, less a straight line",
        drift->guest, drift->host, drift->vm, span);
    g_autofree char *line = line_text(drift);
    g_autofree char *figures = figures_text(&d);
    g_autofree char *left_out = NULL;
    g_autofree char *description = NULL;
    const char *const lines[] = { line, figures, NULL };

    make_axes(&d);
    d.top =
        draw_legend(&d, plot_heading(canvas, TCS_DRIFT_LEFT,
                                     TCS_DRIFT_RIGHT - TCS_DRIFT_LEFT, title,
                                     lines)) +
        (drift->epochs->len > 0 ? TCS_DRIFT_LABEL_HEIGHT * TCS_DRIFT_LABEL_ROWS
                                : 0) +
        8;
    d.y = plot_axis(d.offset_unit, d.y.lo, d.y.hi, TCS_DRIFT_BOTTOM, d.top, 45);
    draw_frame(&d);
    tcs_plot_drift_gaps(&d);
    tcs_plot_drift_bands(&d);
    tcs_plot_drift_bounds(&d);
    tcs_plot_drift_samples(&d);
    tcs_plot_drift_epochs(&d);
    left_out = left_out_text(&d);
    if (left_out) {
        plot_paragraph(canvas, TCS_DRIFT_LEFT, TCS_DRIFT_FOOT,
                       TCS_DRIFT_RIGHT - TCS_DRIFT_LEFT, left_out);
    }
    description =
        g_strdup_printf("%s. %s. %s", line, figures, left_out ? left_out : "");
    return tcs_plot_output_write(output, canvas, title, description, error);
}
