/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The member "host-clocks" of a sample in the sync log: what was read of the
 * host's clocks that QEMU does not read. A list of
 *   { clock, cpu, counter-before, value, counter-after, resolution-ns }
 * as in query-trace-clock-sync's; cpu (of Linux) only where the clock is one of
 * its own on each CPU. The value of `counter` is a number of events.
 */
#ifndef COLLECTOR_LOG_HOST_CLOCKS_H
#define COLLECTOR_LOG_HOST_CLOCKS_H

#include "session.h"

G_BEGIN_DECLS

/* Adds the tightest reading of each such clock; no member where there is none.
 */
void tcs_log_add_host_clocks(json_object *line, const TcsSample *sample);

/*
 * Appends what a line has of them to `clocks` (of TcsHostClock), "local@CPU" as
 * in TcsSample's local_clocks. TCS_ERROR_PROTOCOL where that is damaged.
 */
gboolean tcs_log_take_host_clocks(json_object *line, GArray *clocks,
                                  GError **error);

G_END_DECLS

#endif
