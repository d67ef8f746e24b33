/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of an offset over time.
 */
#ifndef COLLECTOR_PLOT_DRIFT_H
#define COLLECTOR_PLOT_DRIFT_H

#include "drift.h"
#include "plot-output.h"

G_BEGIN_DECLS

/* TCS_ERROR_FILE where it cannot be written. */
gboolean tcs_plot_drift(const TcsDrift *drift, const TcsPlotOutput *output,
                        GError **error);

G_END_DECLS

#endif
