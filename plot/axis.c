/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See axis.h.
 */
#include "axis.h"

#include <math.h>

/* What is farther outside than this is drawn there. */
#define BEYOND 10000.0

typedef struct {
    double size;
    double from; /* spans from here on are shown in it */
    const char *name;
} Unit;

#define MICRO "\xc2\xb5"

static const Unit times[] = {
    { 1, 0, "ns" },
    { 1e3, 2e3, MICRO "s" },
    { 1e6, 2e6, "ms" },
    { 1e9, 2e9, "s" },
    { 60e9, 300e9, "min" },
    { 3600e9, 18000e9, "h" },
    { 86400e9, 432000e9, "d" },
};

static const Unit ticks[] = {
    { 1, 0, "ticks" },
    { 1e3, 1e4, "kticks" },
    { 1e6, 1e7, "Mticks" },
    { 1e9, 1e10, "Gticks" },
};

static const Unit *find_unit(PlotUnit unit, double span)
{
    const Unit *units = unit == PLOT_TICKS ? ticks : times;
    gsize n = unit == PLOT_TICKS ? G_N_ELEMENTS(ticks) : G_N_ELEMENTS(times);

    while (n > 1 && span < units[n - 1].from) {
        n--;
    }
    return &units[n - 1];
}

/* The smallest of 1, 2, 5, 10, … that is not below. */
static double round_step(double least)
{
    const double power = pow(10, floor(log10(least)));

    for (guint i = 0; i < 3; i++) {
        const double step = power * (double[]){ 1, 2, 5 }[i];

        if (step >= least * (1 - 1e-9)) {
            return step;
        }
    }
    return power * 10;
}

PlotAxis plot_axis(PlotUnit unit, double lo, double hi, double at_lo,
                   double at_hi, double spacing)
{
    PlotAxis axis = { .lo = lo, .hi = hi, .at_lo = at_lo, .at_hi = at_hi };
    const Unit *shown;
    double steps;

    g_assert(isfinite(lo) && isfinite(hi));
    if (!(axis.hi > axis.lo)) {
        axis.lo = MIN(lo, hi) - 1;
        axis.hi = MAX(lo, hi) + 1;
    }
    shown = find_unit(unit, axis.hi - axis.lo);
    axis.unit = shown->size;
    axis.unit_name = shown->name;
    steps = MAX(1, floor(fabs(at_hi - at_lo) / spacing));
    axis.step =
        round_step((axis.hi - axis.lo) / shown->size / steps) * shown->size;
    /* Neither clock has parts of its smallest unit. */
    axis.step = MAX(axis.step, 1);
    return axis;
}

double plot_axis_at(const PlotAxis *axis, double number)
{
    const double at = axis->at_lo + (number - axis->lo) /
                                        (axis->hi - axis->lo) *
                                        (axis->at_hi - axis->at_lo);
    const double low = MIN(axis->at_lo, axis->at_hi) - BEYOND;
    const double high = MAX(axis->at_lo, axis->at_hi) + BEYOND;

    return CLAMP(at, low, high);
}

char *plot_axis_format(const PlotAxis *axis, double number)
{
    const double exponent = log10(axis->step / axis->unit);
    const int decimals = exponent < -1e-6 ? (int)ceil(-exponent - 1e-6) : 0;

    /* No "-0". */
    if (fabs(number) < axis->step / 2) {
        number = 0;
    }
    return g_strdup_printf("%.*f", MIN(decimals, 12), number / axis->unit);
}

typedef void (*TickFunc)(PlotCanvas *canvas, double at, double from, double to,
                         const char *text);

static void draw(PlotCanvas *canvas, const PlotAxis *axis, double from,
                 double to, TickFunc func)
{
    const double first = ceil(axis->lo / axis->step - 1e-9);
    const double last = floor(axis->hi / axis->step + 1e-9);

    for (double i = first; i <= last; i++) {
        g_autofree char *text = plot_axis_format(axis, i * axis->step);

        func(canvas, plot_axis_at(axis, i * axis->step), from, to, text);
    }
}

static void draw_x_tick(PlotCanvas *canvas, double at, double from, double to,
                        const char *text)
{
    plot_move(canvas, at, from);
    plot_line(canvas, at, to + 5);
    plot_stroke(canvas, 1, FALSE, PLOT_GRID);
    plot_text(canvas, at, to + 18, PLOT_TEXT_SIZE, PLOT_MIDDLE, PLOT_TEXT,
              text);
}

static void draw_y_tick(PlotCanvas *canvas, double at, double from, double to,
                        const char *text)
{
    plot_move(canvas, from - 5, at);
    plot_line(canvas, to, at);
    plot_stroke(canvas, 1, FALSE, PLOT_GRID);
    plot_text(canvas, from - 9, at + 4, PLOT_TEXT_SIZE, PLOT_RIGHT, PLOT_TEXT,
              text);
}

static void draw_x_line(PlotCanvas *canvas, double at, double from, double to,
                        const char *text)
{
    plot_move(canvas, at, from);
    plot_line(canvas, at, to);
    plot_stroke(canvas, 1, FALSE, PLOT_GRID);
}

void plot_axis_draw_x(PlotCanvas *canvas, const PlotAxis *axis, double from,
                      double to, gboolean with_numbers)
{
    draw(canvas, axis, from, to, with_numbers ? draw_x_tick : draw_x_line);
}

/* A power of ten, in the largest unit of which it is one or more. */
static char *format_power(PlotUnit unit, double length)
{
    const Unit *units = unit == PLOT_TICKS ? ticks : times;
    const gsize n = unit == PLOT_TICKS ? G_N_ELEMENTS(ticks) : 4;
    gsize i = 0;

    while (i + 1 < n && length >= units[i + 1].size) {
        i++;
    }
    return g_strdup_printf("%.0f %s", length / units[i].size, units[i].name);
}

void plot_axis_draw_decades(PlotCanvas *canvas, const PlotAxis *axis,
                            PlotUnit unit, double from, double to)
{
    /* A number every so many decades. */
    const double room = fabs(axis->at_hi - axis->at_lo) / (axis->hi - axis->lo);
    const int every = MAX(1, (int)ceil(16 / room));

    for (int i = (int)ceil(axis->lo); i <= axis->hi; i++) {
        g_autofree char *length = format_power(unit, pow(10, i));
        g_autofree char *text = i == 0
                                    ? g_strconcat("\xe2\x89\xa4 ", length, NULL)
                                    : g_strdup(length);

        draw_y_tick(canvas, plot_axis_at(axis, i), from, to,
                    i % every == 0 ? text : "");
    }
}

void plot_axis_draw_y(PlotCanvas *canvas, const PlotAxis *axis, double from,
                      double to)
{
    draw(canvas, axis, from, to, draw_y_tick);
}

char *plot_format_length(PlotUnit unit, double length, gboolean up)
{
    const Unit *shown = find_unit(unit, fabs(length));
    const double number = length / shown->size;
    int decimals = 0;
    double power;

    if (shown->size > 1) {
        decimals = CLAMP(3 - (int)floor(log10(fabs(number))), 0, 3);
    }
    power = pow(10, decimals);
    return g_strdup_printf("%.*f %s", decimals,
                           up ? ceil(number * power) / power : number,
                           shown->name);
}
