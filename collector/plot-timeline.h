/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture of a host's and a guest's trace on one timeline.
 */
#ifndef COLLECTOR_PLOT_TIMELINE_H
#define COLLECTOR_PLOT_TIMELINE_H

#include "lanes.h"
#include "plot-output.h"

G_BEGIN_DECLS

/* Columns of pixels that events are sorted into. */
#define TCS_PLOT_TIMELINE_COLUMNS 1010

typedef struct {
    const TcsLanes *lanes;
    const TcsVmWindows *windows;
    const char *vm;                       /* or NULL */
    const char *guest_clock, *host_clock; /* what the traces were recorded by */
    gboolean is_ticks;                    /* the stamps are */
    gboolean is_corrected;
    const char *bound; /* what the log claims, as text; or NULL */
} TcsTimeline;

/* TCS_ERROR_FILE where it cannot be written. */
gboolean tcs_plot_timeline(const TcsTimeline *timeline,
                           const TcsPlotOutput *output, GError **error);

/* A stamp as trace-cmd prints it with -t; the caller frees it. */
char *tcs_plot_format_stamp(guint64 stamp, gboolean is_ticks);

G_END_DECLS

#endif
