/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the collector itself can tell of the host it runs on, in the words of
 * the contracts, so that it is kept, checked and used like any other answer.
 */
#ifndef COLLECTOR_HOST_VIEW_H
#define COLLECTOR_HOST_VIEW_H

#include <glib.h>
#include <json-c/json.h>

G_BEGIN_DECLS

/* The accelerator of a VM whose hypervisor was not asked. */
#define TCS_ACCEL_UNKNOWN "unknown"

/*
 * This machine's clocks as query-trace-clock-sync would tell them, for a VM
 * whose hypervisor is not asked: accel is TCS_ACCEL_UNKNOWN, generation 0, no
 * vCPU is listed, and it runs.
 */
json_object *tcs_host_view_new(void);

/* The readings of one clock out of an array of TcsHostClock, as host-clocks. */
json_object *tcs_host_view_clocks(const GArray *clocks, guint first, guint n);

/*
 * How far this kernel holds its realtime to be off UTC: GuestTraceClockError of
 * the agent's contract.
 */
json_object *tcs_host_view_realtime_error(void);

G_END_DECLS

#endif
