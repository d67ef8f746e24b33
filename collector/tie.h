/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the methods that go by a clock have in common: one guest reading out of
 * an answer, and when the host's realtime showed a value.
 */
#ifndef COLLECTOR_TIE_H
#define COLLECTOR_TIE_H

#include "method.h"

G_BEGIN_DECLS

/* Arguments of guest-get-trace-clocks for one clock on one CPU. */
json_object *tcs_tie_clock_arguments(const char *clock, gint64 cpu);

/* The CPU of the only reading in such an answer. */
gboolean tcs_tie_clock_cpu(json_object *reply, gint64 *ret_cpu, GError **error);

/*
 * Counter, boot id, CPU, floor, ceiling and value from the record's reply,
 * which reads `clock`. TCS_ERROR_REFUSED with the guest's reason where it could
 * not.
 */
gboolean tcs_tie_from_clock(json_object *record, const char *clock,
                            TcsAnswer *ret_answer, GError **error);

/*
 * When the host's realtime was in `value`: by the readings in the record, and
 * within its two counters. `rate`: see TcsMethod.
 */
gboolean tcs_tie_when_realtime(json_object *record, struct tcs_ns_span value,
                               struct tcs_rate_span rate,
                               struct tcs_host_span *ret_when, GError **error);

G_END_DECLS

#endif
