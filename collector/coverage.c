/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See coverage.h.
 */
#include "coverage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "boots.h"
#include "error.h"
#include "formats/trace-dat-within.h"

/* Whether a CPU's events and what the log knows have a time in common: 1 or 0,
 * or a negative errno. */
static int compare(const TcsTraceFile *guest, gsize i,
                   struct tcs_trace_dat_within *within)
{
    const struct tcs_trace_dat *dat = &guest->dat;

    if (dat->data[i].size == 0) {
        return -ENODATA;
    }
    if (!tcs_trace_dat_extent(dat, i, &within->first, &within->last)) {
        return tcs_trace_dat_within(guest->path, dat, i, within);
    }
    within->is_whole = true;
    return within->first <= within->to && within->last >= within->from;
}

static void tell_unchecked(const TcsTraceFile *guest, int why)
{
    fprintf(stderr,
            "%s: warning: whether %s and the log are of one time was not "
            "checked: its events are %s%s. `trace-clock-sync check` tells\n",
            g_get_prgname(), guest->path,
            guest->dat.is_compressed ? "compressed" : "damaged",
            why == -ENOTSUP ? ", and were corrected before"
                            : ", and this machine's libtracecmd cannot read "
                              "them");
}

static GError *not_of_one_time(const TcsAlignment *alignment,
                               const TcsTraceFile *guest, guint32 cpu,
                               const struct tcs_trace_dat_within *within)
{
    g_autofree char *last = within->is_whole
                                ? g_strdup_printf("to %" PRIu64, within->last)
                                : g_strdup("on");

    return g_error_new(
        TCS_ERROR, TCS_ERROR_REFUSED,
        "%s and the log are not of one time: events of CPU %u are stamped "
        "from %" PRIu64 " %s, and the log knows the guest's %s from %" PRIu64
        " to %" PRIu64 ". Is the trace of another boot of the guest, of "
        "another VM, or was record not running meanwhile?",
        guest->path, cpu, within->first, last, alignment->guest_clock,
        within->from, within->to);
}

gboolean tcs_coverage_check(const TcsAlignment *alignment,
                            const TcsTraceFile *guest, GError **error)
{
    g_autoptr(GError) local = NULL;
    int unread = 0;

    for (gsize i = 0; i < guest->dat.n_cpus; i++) {
        const GArray *points = alignment->cpu_tables[i]->points;
        struct tcs_trace_dat_within within = {
            .from = g_array_index(points, struct tcs_trace_dat_point, 0).time,
            .to = g_array_index(points, struct tcs_trace_dat_point,
                                points->len - 1)
                      .time,
        };
        const int ret = compare(guest, i, &within);

        if (ret == 1) {
            return TRUE;
        }
        if (ret == 0 && !local) {
            local =
                not_of_one_time(alignment, guest, guest->dat.cpus[i], &within);
        }
        if (ret < 0 && guest->dat.data[i].size > 0 &&
            (!unread || unread == -ENODATA)) {
            unread = ret;
        }
    }
    /* A CPU without events has nothing to say against the others. */
    if (unread && !(local && unread == -ENODATA)) {
        tell_unchecked(guest, unread);
        return TRUE;
    }
    if (!local) {
        return TRUE;
    }
    tcs_boots_explain(alignment->log, &local);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}
