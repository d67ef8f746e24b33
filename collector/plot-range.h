/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What part of two traces a picture shows: the words for it, and stamps.
 */
#ifndef COLLECTOR_PLOT_RANGE_H
#define COLLECTOR_PLOT_RANGE_H

#include <glib.h>

G_BEGIN_DECLS

/* As given on the command line; NULL: not given. */
typedef struct {
    char *zoom;   /* START..END */
    char *around; /* TIME */
    char *width;  /* with around: 200us; plain numbers are ticks */
} TcsPlotRangeText;

/*
 * A stamp as trace-cmd prints it: seconds with up to nine decimals, more than
 * ten digits of nanoseconds, or ticks.
 * TCS_ERROR_USAGE.
 */
gboolean tcs_plot_parse_stamp(const char *text, gboolean is_ticks, guint64 *ret,
                              GError **error);

/*
 * The stamps a user asked for, *ret_from < *ret_to; what there is where nothing
 * was asked for, with a little room. TCS_ERROR_USAGE.
 */
gboolean tcs_plot_range(const TcsPlotRangeText *text, gboolean is_ticks,
                        guint64 first, guint64 last, guint64 *ret_from,
                        guint64 *ret_to, GError **error);

G_END_DECLS

#endif
