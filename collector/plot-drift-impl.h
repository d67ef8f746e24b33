/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a drift's picture: for plot-drift.c, which lays it out, and
 * plot-drift-marks.c, which draws what is in its panels.
 */
#ifndef COLLECTOR_PLOT_DRIFT_IMPL_H
#define COLLECTOR_PLOT_DRIFT_IMPL_H

#include "plot-drift.h"
#include "plot/axis.h"

G_BEGIN_DECLS

#define TCS_DRIFT_HEIGHT 756.0
#define TCS_DRIFT_LEFT   100.0
#define TCS_DRIFT_RIGHT  (TCS_PLOT_WIDTH - 30)
/* The offset's panel ends here; below it is the bound's. */
#define TCS_DRIFT_BOTTOM       (TCS_DRIFT_HEIGHT - 276)
#define TCS_DRIFT_BOUND_TOP    (TCS_DRIFT_BOTTOM + 22)
#define TCS_DRIFT_BOUND_BOTTOM (TCS_DRIFT_HEIGHT - 96)
/* Of the first of up to three lines at the foot. */
#define TCS_DRIFT_FOOT (TCS_DRIFT_HEIGHT - 40)

/* Rows of epochs' labels above the upper panel. */
#define TCS_DRIFT_LABEL_ROWS   3
#define TCS_DRIFT_LABEL_HEIGHT 16.0
/* Between two samples' intervals, pixels. */
#define TCS_DRIFT_SAMPLE_SPACE 3.0

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
    guint wide;      /* samples with no end in the offset's panel */
    guint unlabeled; /* epochs */
} TcsDriftDrawing;

/* Pixels of a moment; of an offset, held to its panel; of a bound, by the width
 * of an interval, which is twice the bound. */
double tcs_plot_drift_x(const TcsDriftDrawing *d, double at);
double tcs_plot_drift_y(const TcsDriftDrawing *d, double offset);
double tcs_plot_drift_bound(const TcsDriftDrawing *d, double width);

/* Whether an end of its interval is within the offset's panel. */
gboolean tcs_plot_drift_fits(const TcsDriftDrawing *d,
                             const TcsDriftSample *sample);

/* Each draws one kind of thing in both panels, and counts what it leaves out.
 */
void tcs_plot_drift_gaps(TcsDriftDrawing *d);
void tcs_plot_drift_bands(TcsDriftDrawing *d);
void tcs_plot_drift_bounds(TcsDriftDrawing *d);
void tcs_plot_drift_samples(TcsDriftDrawing *d);
void tcs_plot_drift_epochs(TcsDriftDrawing *d);

G_END_DECLS

#endif
