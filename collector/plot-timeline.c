/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-timeline.h.
 */
#include "plot-timeline.h"

#include <math.h>

#include "plot/axis.h"
#include "plot/legend.h"

#define LEFT  160.0
#define RIGHT (LEFT + TCS_PLOT_TIMELINE_COLUMNS)

/* With many vCPUs lanes are lower, and beyond this many they are left out. */
#define LANES_MAX   32
#define LANES_TALL  8
#define TALL_ROW    24.0
#define LOW_ROW     12.0
#define HEIGHT_MIN  36.0 /* of a lane, for its label */
#define LANE_SPACE  10.0
#define LABEL_SIZE  10.0
#define WARNING_GAP 11.0 /* above a lane, for its pointers */
#define FOOT        62.0 /* below the lanes, of the text's first line */

/* Windows that are nearer to each other, and narrower, look like one. */
#define JOINED 0.75

typedef struct {
    const TcsTimeline *timeline;
    const TcsLanes *lanes;
    PlotCanvas *canvas;
    PlotAxis x;            /* since lanes->from */
    TcsRow rows[TCS_ROWS]; /* those that have a mark in one of the lanes */
    guint n_rows;
    gboolean is_tall;   /* there is room for names */
    double height;      /* of a lane */
    double y;           /* of the lane that is being drawn */
    guint n_lanes;      /* that are drawn */
    guint64 joined;     /* windows that are drawn as one with another */
    guint64 events_max; /* that one mark stands for */
    /* Of the stretch that is being drawn. */
    TcsVmPlace place;
    double from, to;
} Drawing;

static const struct {
    const char *name;
    const char *legend;
    struct plot_colour colour;
} rows[TCS_ROWS] = {
    { "sched", "guest's sched events", PLOT_BLUE },
    { "irq", "guest's irq events", PLOT_GREEN },
    { "other", "guest's other events", PLOT_BLACK },
};

char *tcs_plot_format_stamp(guint64 stamp, gboolean is_ticks)
{
    return is_ticks
               ? g_strdup_printf("%" G_GUINT64_FORMAT, stamp)
               : g_strdup_printf("%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT,
                                 stamp / 1000000000, stamp % 1000000000);
}

static double at_x(const Drawing *d, guint64 ts)
{
    const guint64 from = d->lanes->from;

    return ts >= from ? plot_axis_at(&d->x, (double)(ts - from))
                      : plot_axis_at(&d->x, -(double)(from - ts));
}

static void draw_stretch(Drawing *d)
{
    const double from = MAX(d->from, LEFT), to = MIN(d->to, RIGHT);

    if (d->place == TCS_VM_INSIDE) {
        plot_rectangle(d->canvas, from, d->y, MAX(to - from, JOINED), d->height,
                       PLOT_AREA);
    } else if (d->place == TCS_VM_UNKNOWN && to > from) {
        plot_hatch(d->canvas, from, d->y, to - from, d->height, PLOT_UNKNOWN);
    }
}

/* Of a kind that nothing draws; what follows begins anew. */
static void end_stretch(Drawing *d)
{
    draw_stretch(d);
    d->place = TCS_VM_OUTSIDE;
}

static void on_stretch(TcsVmPlace place, guint64 from, guint64 to,
                       gpointer data)
{
    Drawing *d = data;
    const double x = at_x(d, from), end = at_x(d, to);

    if (place == TCS_VM_OUTSIDE) {
        return;
    }
    if (d->place == place && x - d->to < JOINED) {
        d->joined += place == TCS_VM_INSIDE;
        d->to = MAX(d->to, end);
        return;
    }
    end_stretch(d);
    d->place = place;
    d->from = x;
    d->to = end;
}

/* The names of events, where there is room to the next one of the row. */
static void draw_names(Drawing *d, const TcsLane *lane, TcsRow row, double y)
{
    const TcsMark *marks = lane->marks[row];
    double reached = LEFT;
    const TcsMark *last = NULL;

    for (guint i = 0; i <= d->lanes->n_columns; i++) {
        const TcsMark *mark = i < d->lanes->n_columns ? &marks[i] : NULL;
        const double end = mark ? at_x(d, mark->ts) : RIGHT;

        if (mark && mark->n == 0) {
            continue;
        }
        if (last && last->n == 1) {
            reached = at_x(d, last->ts) + 4;
            if (reached + plot_text_width(d->canvas, LABEL_SIZE, last->name) +
                    3 <
                end) {
                plot_text(d->canvas, reached, y, LABEL_SIZE, PLOT_LEFT,
                          PLOT_TEXT, last->name);
            }
        }
        last = mark;
    }
}

/* `place`: in d->rows. */
static void draw_row(Drawing *d, const TcsLane *lane, guint place)
{
    const TcsRow row = d->rows[place];
    const double height = d->height / d->n_rows;
    const double top = d->y + height * place;
    gboolean any = FALSE;

    for (guint i = 0; i < d->lanes->n_columns; i++) {
        const TcsMark *mark = &lane->marks[row][i];

        if (mark->n == 0) {
            continue;
        }
        plot_move(d->canvas, at_x(d, mark->ts), top + 2);
        plot_line(d->canvas, at_x(d, mark->ts), top + height - 2);
        d->events_max = MAX(d->events_max, mark->n);
        any = TRUE;
    }
    if (any) {
        plot_stroke(d->canvas, 1.2, FALSE, rows[row].colour);
    }
    if (d->is_tall) {
        draw_names(d, lane, row, top + height - 8);
    }
}

/* Across the lane, with a pointer above it: seen without its colour, too. */
static void draw_outside(Drawing *d, const TcsLane *lane)
{
    for (guint pass = 0; pass < 2; pass++) {
        for (guint i = 0; i < d->lanes->n_columns; i++) {
            for (guint row = 0; row < TCS_ROWS; row++) {
                const TcsMark *mark = &lane->marks[row][i];
                const double x = at_x(d, mark->ts_outside);

                if (mark->n_outside == 0) {
                    continue;
                }
                if (pass == 0) {
                    plot_move(d->canvas, x, d->y);
                    plot_line(d->canvas, x, d->y + d->height);
                } else {
                    plot_pointer(d->canvas, x, d->y, 9);
                }
                break;
            }
        }
        if (pass == 0) {
            plot_stroke(d->canvas, 1.5, FALSE, PLOT_WARNING);
        } else {
            plot_fill(d->canvas, PLOT_WARNING);
        }
    }
}

static void label_lane(Drawing *d, const TcsLane *lane)
{
    const double height = d->height / MAX(d->n_rows, 1);
    g_autofree char *name = g_strdup_printf("vCPU %u", lane->cpu);
    g_autofree char *thread = lane->thread < 0
                                  ? g_strdup("several threads")
                                  : g_strdup_printf("thread %d", lane->thread);

    plot_text(d->canvas, 16, d->y + d->height / 2 - 2, PLOT_TEXT_SIZE,
              PLOT_LEFT, PLOT_TEXT, name);
    plot_text(d->canvas, 16, d->y + d->height / 2 + 12, LABEL_SIZE, PLOT_LEFT,
              PLOT_FAINT, thread);
    for (guint i = 0; d->is_tall && i < d->n_rows; i++) {
        plot_text(d->canvas, LEFT - 8, d->y + height * (i + 0.5) + 4,
                  LABEL_SIZE, PLOT_RIGHT, rows[d->rows[i]].colour,
                  rows[d->rows[i]].name);
    }
}

static void draw_lane(Drawing *d, const TcsLane *lane)
{
    d->place = TCS_VM_OUTSIDE;
    tcs_vm_windows_each(d->timeline->windows, lane->thread, d->lanes->from,
                        d->lanes->to, on_stretch, d);
    end_stretch(d);
    for (guint i = 0; i < d->n_rows; i++) {
        draw_row(d, lane, i);
    }
    draw_outside(d, lane);
    plot_border(d->canvas, LEFT, d->y, RIGHT - LEFT, d->height, PLOT_FRAME);
    label_lane(d, lane);
}

static char *counts_text(const Drawing *d)
{
    const TcsLanes *lanes = d->lanes;
    guint64 windows = 0;

    for (guint i = 0; i < lanes->lanes->len; i++) {
        windows += g_array_index(lanes->lanes, TcsLane, i).n_windows;
    }
    return g_strdup_printf(
        "%u vCPUs, %" G_GUINT64_FORMAT " windows, %" G_GUINT64_FORMAT
        " events of the guest: %" G_GUINT64_FORMAT
        " outside of every window, %" G_GUINT64_FORMAT
        " where the host's trace does not say%s%s",
        lanes->lanes->len, windows, lanes->n_events, lanes->n_outside,
        lanes->n_unknown, d->timeline->bound ? "; " : "",
        d->timeline->bound ? d->timeline->bound : "");
}

static char *clocks_text(const TcsTimeline *timeline)
{
    g_autofree char *from =
        tcs_plot_format_stamp(timeline->lanes->from, timeline->is_ticks);
    g_autofree char *to =
        tcs_plot_format_stamp(timeline->lanes->to, timeline->is_ticks);

    return g_strdup_printf(
        "the guest's clock is %s, %s the host's, %s; shown from %s to %s%s",
        timeline->guest_clock,
        timeline->is_corrected ? "its stamps are put on"
                               : "NOT corrected to that of",
        timeline->host_clock, from, to, timeline->is_ticks ? " ticks" : " s");
}

static char *left_out_text(const Drawing *d)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (d->n_lanes < d->lanes->lanes->len) {
        g_string_append_printf(text,
                               "%u vCPUs are not drawn: --cpu names "
                               "those to be. ",
                               d->lanes->lanes->len - d->n_lanes);
    }
    if (d->joined > 0) {
        g_string_append_printf(text,
                               "%" G_GUINT64_FORMAT
                               " windows less than a pixel from another are "
                               "drawn as one with it. ",
                               d->joined);
    }
    if (d->events_max > 1) {
        g_string_append_printf(
            text, "A mark stands for up to %" G_GUINT64_FORMAT " events. ",
            d->events_max);
    }
    if (text->len > 0) {
        g_string_append(text, "--zoom or --around shows more.");
    }
    return g_strdup(text->str);
}

static double draw_legend(Drawing *d, double y)
{
    PlotLegendItem items[TCS_ROWS + 3];
    gsize n = 0;

    items[n++] = (PlotLegendItem){ PLOT_SWATCH_AREA, PLOT_AREA,
                                   "vCPU runs (kvm_entry to kvm_exit)" };
    for (guint i = 0; i < d->n_rows; i++) {
        items[n++] = (PlotLegendItem){ PLOT_SWATCH_BAR, rows[d->rows[i]].colour,
                                       rows[d->rows[i]].legend };
    }
    items[n++] = (PlotLegendItem){ PLOT_SWATCH_POINTER, PLOT_WARNING,
                                   "event while its vCPU did not run" };
    items[n++] = (PlotLegendItem){ PLOT_SWATCH_HATCH, PLOT_UNKNOWN,
                                   "host's trace does not say" };
    return plot_legend(d->canvas, 16, y, RIGHT - 16, items, n);
}

static gboolean has_row(const Drawing *d, TcsRow row)
{
    for (guint i = 0; i < d->n_lanes; i++) {
        const TcsLane *lane = &g_array_index(d->lanes->lanes, TcsLane, i);

        for (guint k = 0; k < d->lanes->n_columns; k++) {
            if (lane->marks[row][k].n > 0) {
                return TRUE;
            }
        }
    }
    return FALSE;
}

static void lay_out(Drawing *d)
{
    for (guint row = 0; row < TCS_ROWS; row++) {
        if (has_row(d, row)) {
            d->rows[d->n_rows++] = row;
        }
    }
    d->is_tall = d->n_lanes <= LANES_TALL;
    d->height = MAX(d->n_rows * (d->is_tall ? TALL_ROW : LOW_ROW), HEIGHT_MIN);
}

/* With an example of how a number of the axis is typed. */
static char *axis_text(const Drawing *d)
{
    const gboolean is_ticks = d->timeline->is_ticks;
    const double middle =
        floor((d->x.hi - d->x.lo) / 2 / d->x.step) * d->x.step;
    g_autofree char *from = tcs_plot_format_stamp(d->lanes->from, is_ticks);
    g_autofree char *number = plot_axis_format(&d->x, middle);
    g_autofree char *stamp = tcs_plot_format_stamp(
        d->lanes->from + (guint64)round(middle), is_ticks);

    return g_strdup_printf(
        "%s after %s%s of the host's clock; %s here is --around %s",
        d->x.unit_name, from, is_ticks ? " ticks" : " s", number, stamp);
}

static void draw_axis(Drawing *d, double top, double bottom)
{
    g_autofree char *label = axis_text(d);

    plot_axis_draw_x(d->canvas, &d->x, top, bottom, TRUE);
    plot_text(d->canvas, (LEFT + RIGHT) / 2, bottom + 38, PLOT_TEXT_SIZE,
              PLOT_MIDDLE, PLOT_TEXT, label);
}

static void draw_all(Drawing *d, double y)
{
    const double first = y;

    for (guint i = 0; i < d->n_lanes; i++) {
        y += WARNING_GAP + d->height + LANE_SPACE;
    }
    draw_axis(d, first, y);
    y = first;
    for (guint i = 0; i < d->n_lanes; i++) {
        d->y = y + WARNING_GAP;
        draw_lane(d, &g_array_index(d->lanes->lanes, TcsLane, i));
        y = d->y + d->height + LANE_SPACE;
    }
}

gboolean tcs_plot_timeline(const TcsTimeline *timeline,
                           const TcsPlotOutput *output, GError **error)
{
    const TcsLanes *lanes = timeline->lanes;
    const PlotUnit unit = timeline->is_ticks ? PLOT_TICKS : PLOT_NANOSECONDS;
    const double span = (double)(lanes->to - lanes->from);
    const double heading = 130;
    g_autoptr(PlotCanvas) canvas = NULL;
    Drawing d = {
        .timeline = timeline,
        .lanes = lanes,
        .x = plot_axis(unit, 0, span, LEFT, RIGHT, 90),
        .n_lanes = MIN(lanes->lanes->len, LANES_MAX),
    };
    double bottom;
    g_autofree char *length = plot_format_length(unit, span, FALSE);
    g_autofree char *title = g_strdup_printf(
        "Host and guest%s%s on one timeline: %s", timeline->vm ? " " : "",
        timeline->vm ? timeline->vm : "", length);
    g_autofree char *clocks = clocks_text(timeline);
    g_autofree char *counts = counts_text(&d);
    g_autofree char *axis = axis_text(&d);
    g_autofree char *left_out = NULL;
    g_autofree char *description = NULL;
    const char *const lines[] = { clocks, counts, NULL };

    lay_out(&d);
    bottom = heading + d.n_lanes * (WARNING_GAP + d.height + LANE_SPACE);
    canvas = plot_canvas_new(output->format, TCS_PLOT_WIDTH,
                             bottom + FOOT + 2 * PLOT_LINE_HEIGHT - 8);
    d.canvas = canvas;
    draw_legend(&d, plot_heading(canvas, 16, RIGHT - 16, title, lines));
    draw_all(&d, heading);
    left_out = left_out_text(&d);
    plot_paragraph(canvas, 16, bottom + FOOT, RIGHT - 16, left_out);
    description =
        g_strdup_printf("%s. %s. %s. %s", clocks, counts, axis, left_out);
    return tcs_plot_output_write(output, canvas, title, description, error);
}
