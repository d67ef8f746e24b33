/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See coverage.h.
 */
#include "coverage.h"

#include "boots.h"
#include "error.h"

gboolean tcs_coverage_check(const TcsAlignment *alignment,
                            const TcsTraceFile *guest, GError **error)
{
    const struct tcs_trace_dat *dat = &guest->dat;
    g_autoptr(GError) local = NULL;

    for (gsize i = 0; i < dat->n_cpus; i++) {
        const GArray *points = alignment->cpu_tables[i]->points;
        const guint64 from =
            g_array_index(points, struct tcs_trace_dat_point, 0).time;
        const guint64 to =
            g_array_index(points, struct tcs_trace_dat_point, points->len - 1)
                .time;
        guint64 first, last;

        if (dat->data[i].size == 0) {
            continue;
        }
        if (!tcs_trace_dat_extent(dat, i, &first, &last) ||
            (first <= to && last >= from)) {
            return TRUE;
        }
        if (!local) {
            g_set_error(&local, TCS_ERROR, TCS_ERROR_REFUSED,
                        "%s and the log are not of one time: events of CPU %u "
                        "are stamped from %" G_GUINT64_FORMAT
                        " to %" G_GUINT64_FORMAT
                        ", and the log knows the guest's %s from "
                        "%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                        ". Is the trace of another boot of the guest, of "
                        "another VM, or was record not running meanwhile?",
                        guest->path, dat->cpus[i], first, last,
                        alignment->guest_clock, from, to);
        }
    }
    if (!local) {
        return TRUE;
    }
    tcs_boots_explain(alignment->log, &local);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}
