/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See line-offset.h.
 */
#include "line-offset.h"

#include <float.h>

/* Left out where no upper end is known. */
static void set_rate(TcsOffset *offset, struct tcs_rate_span rate)
{
    if (rate.hi.ticks != 0) {
        double lo = (double)rate.lo.ns / (double)rate.lo.ticks;
        double hi = (double)rate.hi.ns / (double)rate.hi.ticks;

        offset->has_rate = TRUE;
        offset->rate = (lo + hi) / 2;
        /* The quotients above are rounded; 4 ulp cover that. */
        offset->rate_bound = (hi - lo) / 2 + 4 * hi * DBL_EPSILON;
    }
}

gboolean tcs_line_offset(const TcsSample *sample, const TcsCpuLine *line,
                         TcsOffset *ret_offset)
{
    struct tcs_host_ticks at = {
        sample->window.lo.ticks +
            (sample->window.hi.ticks - sample->window.lo.ticks) / 2,
    };
    struct tcs_guest_span guest;
    guint64 width;

    if (tcs_counter_line_at(&line->line, (struct tcs_host_span){ at, at },
                            &guest) < 0) {
        return FALSE;
    }
    width = guest.hi.ticks - guest.lo.ticks;
    *ret_offset = (TcsOffset){
        .is_ticks = TRUE,
        .guest_cpu = line->cpu,
        .guest_value = guest.lo.ticks + width / 2,
        .host_value = at.ticks,
        .bound = width - width / 2,
        .method = tcs_sample_method(sample),
    };
    ret_offset->offset =
        (gint64)(ret_offset->guest_value - ret_offset->host_value);
    set_rate(ret_offset, tcs_counter_line_rate(&line->line));
    g_strlcpy(ret_offset->guest, sample->qmp_after->counter,
              sizeof(ret_offset->guest));
    g_strlcpy(ret_offset->host, sample->qmp_after->counter,
              sizeof(ret_offset->host));
    return TRUE;
}
