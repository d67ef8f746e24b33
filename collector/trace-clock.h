/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock a trace was recorded with, among those of a log.
 */
#ifndef COLLECTOR_TRACE_CLOCK_H
#define COLLECTOR_TRACE_CLOCK_H

#include "log.h"
#include "model.h"

G_BEGIN_DECLS

/*
 * Whether this is a machine's counter: ftrace's clock that shows one, or the
 * name that the counter has in logs.
 */
gboolean tcs_trace_clock_is_counter(const char *name);

/* The name of the counter that the log's VM has. Belongs to the log. */
const char *tcs_trace_clock_counter(const TcsLog *log);

/*
 * The host's. TCS_ERROR_REFUSED where the log does not have it or it is no
 * time at all.
 */
const TcsModelClock *tcs_trace_clock_host(TcsModel *model, const TcsLog *log,
                                          const char *name, GError **error);

/* The guest's, for events of one of its CPUs. */
const TcsModelClock *tcs_trace_clock_guest(TcsModel *model, const TcsLog *log,
                                           const char *name, gint64 guest_cpu,
                                           GError **error);

G_END_DECLS

#endif
