/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a picture of a host's and a guest's trace shows between two moments: for
 * each vCPU where its thread was, and the guest's events, as many as columns of
 * pixels can tell apart. Numbers only; plot-timeline.h draws them.
 */
#ifndef COLLECTOR_LANES_H
#define COLLECTOR_LANES_H

#include "formats/trace-dat-events.h"
#include "vm-windows.h"

G_BEGIN_DECLS

/* Rows of a lane. */
typedef enum {
    TCS_ROW_SCHED,
    TCS_ROW_IRQ,
    TCS_ROW_OTHER,
    TCS_ROWS,
} TcsRow;

/* All events of a row in one column. */
typedef struct {
    guint64 ts; /* of the first */
    guint n;
    guint n_outside;
    guint64 ts_outside; /* of the first of these */
    const char *name;   /* of the first; belongs to the lanes */
} TcsMark;

typedef struct {
    guint32 cpu; /* of the guest */
    int thread;  /* on the host; 0: not known; negative: several, joined */
    TcsMark *marks[TCS_ROWS]; /* n_columns of each */
    guint64 n_events;
    guint64 n_outside;
    guint64 n_windows;
} TcsLane;

/* Stamps as readers show them: ns, or ticks of the host's counter. */
typedef struct {
    guint64 from, to; /* from < to */
    guint n_columns;
    GArray *lanes; /* of TcsLane, by the guest's CPUs */
    guint64 n_events, n_outside, n_unknown;
    gboolean has_outside;
    guint64 first_outside;
    GStringChunk *names;
} TcsLanes;

/* Without events; `to` is moved behind `from`. */
TcsLanes *tcs_lanes_new(guint64 from, guint64 to, guint n_columns);
void tcs_lanes_free(TcsLanes *lanes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsLanes, tcs_lanes_free)

/* In ascending order of CPUs. */
void tcs_lanes_add_cpu(TcsLanes *lanes, const TcsVmWindows *windows,
                       guint32 cpu, int thread);

/* Events outside of [from, to], and of CPUs without a lane, are ignored. */
void tcs_lanes_add_event(TcsLanes *lanes, const TcsVmWindows *windows,
                         const struct tcs_trace_dat_event *event);

G_END_DECLS

#endif
