/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates from readings: what `show` and the timelines both start from.
 */
#ifndef COLLECTOR_RATES_H
#define COLLECTOR_RATES_H

#include <glib.h>

#include "clocksync/reading.h"

G_BEGIN_DECLS

/* A host clock's reading by name in an array of TcsHostClock, or NULL. */
const struct tcs_host_reading *tcs_find_host_reading(const GArray *clocks,
                                                     const char *name);

/*
 * A clock's mean rate between two readings; exact bounds, no assumption but
 * that it never ran backward. FALSE where one is NULL, they contradict that, or
 * no upper end is known.
 */
gboolean tcs_mean_rate(const struct tcs_host_reading *first,
                       const struct tcs_host_reading *last,
                       struct tcs_rate_span *ret_rate);

/*
 * The mean rate of a clock that is never slewed, such as mono_raw, over the
 * longest stretch of its readings, in their order and apart, in which it did
 * not stand still: where the host slept and its counter did not, the mean over
 * all of them would say nothing of either part. FALSE where no upper end is
 * known.
 */
gboolean tcs_steady_rate(const struct tcs_host_reading *readings, gsize n,
                         struct tcs_rate_span *ret_rate);

G_END_DECLS

#endif
