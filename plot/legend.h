/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a picture says around what it shows: title, lines below it, and a row of
 * samples of what means what.
 */
#ifndef PLOT_LEGEND_H
#define PLOT_LEGEND_H

#include "canvas.h"

G_BEGIN_DECLS

typedef enum {
    PLOT_SWATCH_AREA,
    PLOT_SWATCH_HATCH,
    PLOT_SWATCH_LINE,
    PLOT_SWATCH_DASHES,
    PLOT_SWATCH_BAR, /* an upright stroke */
    PLOT_SWATCH_CROSS,
    PLOT_SWATCH_POINTER, /* a triangle on its tip */
} PlotSwatch;

typedef struct {
    PlotSwatch swatch;
    struct plot_colour colour;
    const char *text;
} PlotLegendItem;

/*
 * Title at the top, and `lines` (NULL-terminated) below it, each cut to the
 * width. Returns where the next thing may be drawn.
 */
double plot_heading(PlotCanvas *canvas, double x, double width,
                    const char *title, const char *const *lines);

/* Faint text, in as many lines as it takes; y is the first one's base line. */
void plot_paragraph(PlotCanvas *canvas, double x, double y, double width,
                    const char *text);
/* Between two of its lines. */
#define PLOT_LINE_HEIGHT 18.0

/* What plot_heading() will return. */
double plot_heading_height(const char *const *lines);

/* From left to right, in as many rows as it takes. Returns its lower end. */
double plot_legend(PlotCanvas *canvas, double x, double y, double width,
                   const PlotLegendItem *items, gsize n);

G_END_DECLS

#endif
