/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a picture goes: a whole file or none.
 */
#ifndef COLLECTOR_PLOT_OUTPUT_H
#define COLLECTOR_PLOT_OUTPUT_H

#include "plot/canvas.h"

G_BEGIN_DECLS

/* All pictures' width, pixels. */
#define TCS_PLOT_WIDTH 1200.0

typedef struct {
    const char *path;
    PlotFormat format;
} TcsPlotOutput;

/*
 * The format by the path's ending, which is .svg or .png: TCS_ERROR_USAGE.
 * Borrows the path.
 */
gboolean tcs_plot_output_init(TcsPlotOutput *ret, const char *path,
                              GError **error);

/*
 * Writes the picture beside its path and renames it, so that a file of that
 * name is the one before or the new one. TCS_ERROR_FILE.
 */
gboolean tcs_plot_output_write(const TcsPlotOutput *output, PlotCanvas *canvas,
                               const char *title, const char *description,
                               GError **error);

G_END_DECLS

#endif
