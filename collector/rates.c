/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See rates.h.
 */
#include "rates.h"

#include <stdlib.h>

#include "clocksync/lines.h"
#include "qmp-reply.h"

/* Further from the usual rate than that is no wander of such a clock. */
#define STEADY_PPM 200

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

static int compare_lo(const void *a, const void *b)
{
    const struct tcs_rate_span *left = a, *right = b;

    return tcs_rate_compare(left->lo, right->lo);
}

/* The rates between neighbours, and what most of them are like. */
static struct tcs_rate_span usual_rate(const struct tcs_host_reading *readings,
                                       gsize n)
{
    g_autofree struct tcs_rate_span *rates = g_new(struct tcs_rate_span, n);
    gsize known = 0;

    for (gsize i = 0; i + 1 < n; i++) {
        known += tcs_mean_rate(&readings[i], &readings[i + 1], &rates[known]);
    }
    if (known == 0) {
        return TCS_RATE_SPAN_MONOTONE;
    }
    qsort(rates, known, sizeof(rates[0]), compare_lo);
    return tcs_rate_span_widen(rates[known / 2], STEADY_PPM);
}

gboolean tcs_steady_rate(const struct tcs_host_reading *readings, gsize n,
                         struct tcs_rate_span *ret_rate)
{
    struct tcs_rate_span usual = usual_rate(readings, n);
    guint64 longest = 0;
    gsize from = 0, to = 0;

    for (gsize first = 0, i = 0; i + 1 < n; i++) {
        struct tcs_rate_span rate;

        if (!tcs_mean_rate(&readings[i], &readings[i + 1], &rate) ||
            tcs_rate_compare(rate.hi, usual.lo) < 0 ||
            tcs_rate_compare(rate.lo, usual.hi) > 0) {
            first = i + 1;
        } else if (readings[i + 1].when.hi.ticks -
                       readings[first].when.lo.ticks >
                   longest) {
            longest =
                readings[i + 1].when.hi.ticks - readings[first].when.lo.ticks;
            from = first;
            to = i + 1;
        }
    }
    return to > from && tcs_mean_rate(&readings[from], &readings[to], ret_rate);
}
