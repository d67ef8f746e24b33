/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples of one VM that fail, one after the other: what is told of them, and
 * when they are enough to give up. Knows nothing of how samples are taken.
 */
#ifndef TCS_FAILURES_H
#define TCS_FAILURES_H

#include <glib.h>

/* All zero to begin with. */
typedef struct {
    guint all;
    guint in_row;
    gint64 since_us; /* the first in the row */
    guint told;      /* of the row */
    guint told_text; /* the last told error's, hashed */
} TcsFailures;

/* One more, at the monotonic time `now_us`. */
void tcs_failures_add(TcsFailures *failures, gint64 now_us);

/* Whether so many have failed, for so long, that the VM will not come back. */
gboolean tcs_failures_are_final(const TcsFailures *failures, gint64 now_us);

/* On stderr: that the last one has failed, where that is news. */
void tcs_failures_tell(TcsFailures *failures, const GError *error);

/* A sample of `vm` has not failed: ends the row, and tells that it has. */
void tcs_failures_end(TcsFailures *failures, const char *vm, gint64 now_us);

#endif
