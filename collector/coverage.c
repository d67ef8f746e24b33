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

typedef struct tcs_trace_dat_within Within;

/* Where the pages say it no event is read. */
static void look_at(const TcsTraceFile *guest, gsize i, const GArray *points,
                    Within *within)
{
    const struct tcs_trace_dat *dat = &guest->dat;

    *within = (Within){
        .from = g_array_index(points, struct tcs_trace_dat_point, 0).time,
        .to = g_array_index(points, struct tcs_trace_dat_point, points->len - 1)
                  .time,
        .answer = -EAGAIN,
    };
    if (dat->data[i].size == 0) {
        within->answer = -ENXIO; /* it has nothing to say */
    } else if (tcs_trace_dat_extent(dat, i, &within->first, &within->last)) {
        within->is_whole = true;
        within->answer =
            within->first <= within->to && within->last >= within->from;
    }
}

/* Of the first CPU with this answer, or NULL. */
static const Within *find(const TcsTraceFile *guest, const Within *within,
                          int answer)
{
    for (gsize i = 0; i < guest->dat.n_cpus; i++) {
        if (within[i].answer == answer) {
            return &within[i];
        }
    }
    return NULL;
}

/* Returns whether there was something to tell. */
static gboolean tell_unchecked(const TcsTraceFile *guest, const Within *within,
                               gboolean others_do_not)
{
    const Within *corrected = find(guest, within, -ENOTSUP);
    const Within *unread = find(guest, within, -EINVAL);

    if (!unread && !others_do_not) {
        unread = find(guest, within, -ENODATA);
    }
    if (!corrected && !unread) {
        return FALSE;
    }
    fprintf(stderr,
            "%s: warning: whether %s and the log are of one time was not "
            "checked%s: its events are %s%s. `trace-clock-sync check` tells\n",
            g_get_prgname(), guest->path,
            others_do_not ? " for every CPU, and those that were are not" : "",
            guest->dat.is_compressed ? "compressed" : "damaged",
            corrected ? ", and were corrected before"
                      : ", and this machine's libtracecmd cannot read them");
    return TRUE;
}

static GError *not_of_one_time(const TcsAlignment *alignment,
                               const TcsTraceFile *guest, guint32 cpu,
                               const Within *within)
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
    g_autofree Within *within = g_new0(Within, guest->dat.n_cpus + 1);
    g_autoptr(GError) local = NULL;
    const Within *outside;

    for (gsize i = 0; i < guest->dat.n_cpus; i++) {
        look_at(guest, i, alignment->cpu_tables[i]->points, &within[i]);
    }
    if (!find(guest, within, 1) && find(guest, within, -EAGAIN)) {
        tcs_trace_dat_within(guest->path, &guest->dat, within);
    }
    outside = find(guest, within, 0);
    if (find(guest, within, 1) ||
        tell_unchecked(guest, within, outside != NULL) || !outside) {
        return TRUE;
    }
    local = not_of_one_time(alignment, guest, guest->dat.cpus[outside - within],
                            outside);
    tcs_boots_explain(alignment->log, &local);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}
