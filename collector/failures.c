/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See failures.h.
 */
#include "failures.h"

#include <stdio.h>

/*
 * A number alone would be half a second of short intervals, in which no VM and
 * no libvirtd is started again; a time alone, one failure of a long interval.
 */
#define FINAL_COUNT 5
#define FINAL_S     30

/* A VM that comes and goes has another error each time. */
#define TOLD_MAX 3

void tcs_failures_add(TcsFailures *failures, gint64 now_us)
{
    failures->all++;
    if (failures->in_row++ == 0) {
        failures->since_us = now_us;
        failures->told = 0;
    }
}

gboolean tcs_failures_are_final(const TcsFailures *failures, gint64 now_us)
{
    return failures->in_row >= FINAL_COUNT &&
           now_us - failures->since_us >= FINAL_S * G_USEC_PER_SEC;
}

void tcs_failures_tell(TcsFailures *failures, const GError *error)
{
    const guint text = g_str_hash(error->message);

    /*
     * The first may be but a sign of what comes: a monitor that breaks off,
     * then a domain that is not running.
     */
    if (failures->told < TOLD_MAX &&
        (failures->told == 0 || failures->told_text != text)) {
        failures->told++;
        failures->told_text = text;
        fprintf(stderr, "%s: a sample failed, going on: %s\n", g_get_prgname(),
                error->message);
    }
}

void tcs_failures_end(TcsFailures *failures, const char *vm, gint64 now_us)
{
    if (failures->in_row > 0) {
        fprintf(stderr,
                "%s: %s is sampled again, %.1f s after the first of %u failed "
                "samples\n",
                g_get_prgname(), vm,
                (double)(now_us - failures->since_us) / 1e6, failures->in_row);
        failures->in_row = 0;
    }
}
