/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See lanes.h.
 */
#include "lanes.h"

#include <string.h>

/* What is kept of an event's name, bytes. */
#define NAME_MAX_KEPT 48

TcsLanes *tcs_lanes_new(guint64 from, guint64 to, guint n_columns)
{
    TcsLanes *lanes = g_new0(TcsLanes, 1);

    lanes->from = MIN(from, G_MAXUINT64 - 1);
    lanes->to = MAX(to, lanes->from + 1);
    lanes->n_columns = n_columns;
    lanes->lanes = g_array_new(FALSE, TRUE, sizeof(TcsLane));
    lanes->names = g_string_chunk_new(1024);
    return lanes;
}

void tcs_lanes_free(TcsLanes *lanes)
{
    if (lanes) {
        for (guint i = 0; i < lanes->lanes->len; i++) {
            for (guint row = 0; row < TCS_ROWS; row++) {
                g_free(g_array_index(lanes->lanes, TcsLane, i).marks[row]);
            }
        }
        g_array_unref(lanes->lanes);
        g_string_chunk_free(lanes->names);
        g_free(lanes);
    }
}

static void count_window(TcsVmPlace place, guint64 from, guint64 to,
                         gpointer data)
{
    *(guint64 *)data += place == TCS_VM_INSIDE;
}

void tcs_lanes_add_cpu(TcsLanes *lanes, const TcsVmWindows *windows,
                       guint32 cpu, int thread)
{
    TcsLane lane = { .cpu = cpu, .thread = thread };

    for (guint row = 0; row < TCS_ROWS; row++) {
        lane.marks[row] = g_new0(TcsMark, lanes->n_columns);
    }
    tcs_vm_windows_each(windows, thread, lanes->from, lanes->to, count_window,
                        &lane.n_windows);
    g_array_append_val(lanes->lanes, lane);
}

static TcsRow row_of(const char *system)
{
    return strcmp(system, "sched") == 0 ? TCS_ROW_SCHED
           : strcmp(system, "irq") == 0 || g_str_has_prefix(system, "irq_")
               ? TCS_ROW_IRQ
               : TCS_ROW_OTHER;
}

static TcsLane *find_lane(TcsLanes *lanes, int cpu)
{
    guint lo = 0, hi = lanes->lanes->len;

    while (lo < hi) {
        const guint middle = lo + (hi - lo) / 2;
        TcsLane *lane = &g_array_index(lanes->lanes, TcsLane, middle);

        if (lane->cpu == (guint32)cpu) {
            return lane;
        }
        if (lane->cpu < (guint32)cpu) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return NULL;
}

static void note_outside(TcsLanes *lanes, TcsLane *lane, TcsMark *mark,
                         guint64 ts)
{
    if (mark->n_outside++ == 0) {
        mark->ts_outside = ts;
    }
    lane->n_outside++;
    lanes->n_outside++;
    if (!lanes->has_outside) {
        lanes->has_outside = TRUE;
        lanes->first_outside = ts;
    }
}

void tcs_lanes_add_event(TcsLanes *lanes, const TcsVmWindows *windows,
                         const struct tcs_trace_dat_event *event)
{
    TcsLane *lane = find_lane(lanes, event->cpu);
    guint64 after, before;
    guint column;
    TcsMark *mark;

    if (!lane || event->ts < lanes->from || event->ts > lanes->to) {
        return;
    }
    column = (guint)((unsigned __int128)(event->ts - lanes->from) *
                     lanes->n_columns / (lanes->to - lanes->from));
    mark =
        &lane->marks[row_of(event->system)][MIN(column, lanes->n_columns - 1)];
    if (mark->n++ == 0) {
        g_autofree char *name = g_strndup(event->name, NAME_MAX_KEPT);

        mark->ts = event->ts;
        mark->name = g_string_chunk_insert_const(lanes->names, name);
    }
    lane->n_events++;
    lanes->n_events++;
    switch (tcs_vm_windows_place(windows, lane->thread, event->ts, &after,
                                 &before)) {
    case TCS_VM_INSIDE:
        break;
    case TCS_VM_OUTSIDE:
        note_outside(lanes, lane, mark, event->ts);
        break;
    case TCS_VM_UNKNOWN:
        lanes->n_unknown++;
        break;
    }
}
