/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `plot --host FILE --guest FILE`: from two traces to a picture.
 */
#ifndef COLLECTOR_PLOT_TRACES_H
#define COLLECTOR_PLOT_TRACES_H

#include "plot-output.h"
#include "plot-range.h"
#include "trace-options.h"

G_BEGIN_DECLS

typedef struct {
    TcsTraceOptions files;
    TcsPlotRangeText range;
    char **cpus; /* of the guest; NULL: all */
} TcsPlotTracesOptions;

/* `options` outlives the parsing. */
void tcs_plot_traces_options_add(TcsPlotTracesOptions *options,
                                 GOptionContext *context);
void tcs_plot_traces_options_clear(TcsPlotTracesOptions *options);

/* Whether any was given that only traces take. */
gboolean tcs_plot_traces_options_any(const TcsPlotTracesOptions *options);

/*
 * Draws, and says on standard output what is in the picture. `log` tells the
 * vCPUs' threads and the bound; where it is NULL, the host's file tells the
 * threads if `apply` was run on it.
 */
gboolean tcs_plot_traces(const TcsPlotTracesOptions *options, const char *log,
                         const TcsPlotOutput *output, GError **error);

G_END_DECLS

#endif
