/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A picture in memory, as SVG or PNG, drawn with cairo. Lengths are pixels,
 * from the upper left corner. Knows nothing of what is drawn.
 */
#ifndef PLOT_CANVAS_H
#define PLOT_CANVAS_H

#include <glib.h>

#include "palette.h"

G_BEGIN_DECLS

typedef struct PlotCanvas PlotCanvas;

typedef enum {
    PLOT_SVG,
    PLOT_PNG,
} PlotFormat;

/* Text begins, is centred or ends at its x. */
typedef enum {
    PLOT_LEFT,
    PLOT_MIDDLE,
    PLOT_RIGHT,
} PlotAlign;

#define PLOT_TEXT_SIZE  12.0
#define PLOT_TITLE_SIZE 16.0

/* White. */
PlotCanvas *plot_canvas_new(PlotFormat format, double width, double height);
void plot_canvas_free(PlotCanvas *canvas);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlotCanvas, plot_canvas_free)

/*
 * The file's bytes; nothing can be drawn any more. An SVG says `title` and
 * `description` to who cannot see it. NULL and *ret_why where cairo failed; the
 * caller frees neither.
 */
const GByteArray *plot_canvas_finish(PlotCanvas *canvas, const char *title,
                                     const char *description,
                                     const char **ret_why);

void plot_rectangle(PlotCanvas *canvas, double x, double y, double width,
                    double height, struct plot_colour colour);
/* Its border alone. */
void plot_border(PlotCanvas *canvas, double x, double y, double width,
                 double height, struct plot_colour colour);
/* Diagonal lines, for what is told by more than a colour. */
void plot_hatch(PlotCanvas *canvas, double x, double y, double width,
                double height, struct plot_colour colour);

/*
 * A path: move to a point, go on by lines (the first of which may be a move),
 * then end it by one of the two below.
 */
void plot_move(PlotCanvas *canvas, double x, double y);
void plot_line(PlotCanvas *canvas, double x, double y);
void plot_stroke(PlotCanvas *canvas, double line_width, gboolean dashed,
                 struct plot_colour colour);
void plot_fill(PlotCanvas *canvas, struct plot_colour colour);

/* A triangle that stands on its tip at (x, y): part of a path. */
void plot_pointer(PlotCanvas *canvas, double x, double y, double size);

/* Two strokes through (x, y): part of a path. */
void plot_cross(PlotCanvas *canvas, double x, double y, double size);

/*
 * One line of text; y is its base line. What is no printable UTF-8 is replaced.
 */
void plot_text(PlotCanvas *canvas, double x, double y, double size,
               PlotAlign align, struct plot_colour colour, const char *text);
void plot_text_bold(PlotCanvas *canvas, double x, double y, double size,
                    struct plot_colour colour, const char *text);
/* Reads upward; centred at y. */
void plot_text_upward(PlotCanvas *canvas, double x, double y, double size,
                      struct plot_colour colour, const char *text);
double plot_text_width(PlotCanvas *canvas, double size, const char *text);
/* The text, with its end left out where it is wider; the caller frees it. */
char *plot_text_cut(PlotCanvas *canvas, double size, double width,
                    const char *text);

G_END_DECLS

#endif
