/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An axis: from numbers to pixels, with ticks at round numbers of a unit people
 * read. Pure but for drawing on a canvas.
 */
#ifndef PLOT_AXIS_H
#define PLOT_AXIS_H

#include "canvas.h"

G_BEGIN_DECLS

/* What numbers are in; shown in the unit of that kind that suits the span. */
typedef enum {
    PLOT_NANOSECONDS, /* ns to h */
    PLOT_TICKS,       /* ticks to Gticks */
} PlotUnit;

typedef struct {
    double lo, hi;       /* lo < hi, finite */
    double at_lo, at_hi; /* pixels */
    double step;         /* between ticks */
    double unit;         /* how many of what the numbers are in */
    const char *unit_name;
} PlotAxis;

/*
 * Ticks are at least `spacing` pixels apart. Equal or unordered ends are moved
 * apart.
 */
PlotAxis plot_axis(PlotUnit unit, double lo, double hi, double at_lo,
                   double at_hi, double spacing);

/* Pixels of a number, held to a screen's width beyond the ends. */
double plot_axis_at(const PlotAxis *axis, double number);

/* A tick's number as text, in units; the caller frees it. */
char *plot_axis_format(const PlotAxis *axis, double number);

/* Ticks, numbers and lines of the grid across [from, to] of the other axis. */
void plot_axis_draw_x(PlotCanvas *canvas, const PlotAxis *axis, double from,
                      double to, gboolean with_numbers);
void plot_axis_draw_y(PlotCanvas *canvas, const PlotAxis *axis, double from,
                      double to);

/* An upright axis of decimal logarithms: a line and a number at each decade. */
void plot_axis_draw_decades(PlotCanvas *canvas, const PlotAxis *axis,
                            PlotUnit unit, double from, double to);

/*
 * A length in a unit that suits it, such as "12.3 us"; the caller frees it.
 * Rounded to four digits, upward where `up`.
 */
char *plot_format_length(PlotUnit unit, double length, gboolean up);

G_END_DECLS

#endif
