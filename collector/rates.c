/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See rates.h.
 */
#include "rates.h"

#include "clocksync/lines.h"
#include "qmp-reply.h"

const struct tcs_host_reading *tcs_find_host_reading(const GArray *clocks,
                                                     const char *name)
{
    for (guint i = 0; i < clocks->len; i++) {
        const TcsHostClock *clock = &g_array_index(clocks, TcsHostClock, i);

        if (g_str_equal(clock->clock, name)) {
            return &clock->reading;
        }
    }
    return NULL;
}

gboolean tcs_mean_rate(const struct tcs_host_reading *first,
                       const struct tcs_host_reading *last,
                       struct tcs_rate_span *ret_rate)
{
    struct tcs_lines lines;
    gboolean ok;

    if (!first || !last) {
        return FALSE;
    }
    tcs_lines_init(&lines, TCS_RATE_SPAN_MONOTONE);
    ok = tcs_lines_add(&lines, first) == 0 && tcs_lines_add(&lines, last) == 0;
    *ret_rate = tcs_lines_rate(&lines);
    tcs_lines_clear(&lines);
    return ok && ret_rate->hi.ticks != 0;
}
