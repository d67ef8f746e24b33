/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one method gathered in one sample: answers of the agent as they came,
 * and the counter lines they leave possible, one for each guest CPU.
 */
#ifndef COLLECTOR_EVIDENCE_H
#define COLLECTOR_EVIDENCE_H

#include "clocksync/exchange.h"
#include "guest-reply.h"
#include "method.h"

G_BEGIN_DECLS

typedef struct {
    gint64 cpu;
    struct tcs_counter_line line;
} TcsCpuLine;

typedef struct {
    const TcsMethod *method;
    /*
     * An array of { "counter-before", "reply", "counter-after" } in the order
     * they were asked, the counters the host's around each; with
     * "host-realtime" (readings as in QMP's host-clocks) and
     * "host-realtime-error" (as the agent's) where the method uses them.
     */
    json_object *records;
    gint64 duration_us; /* of all its questions */
    GArray *ties;       /* of TcsTie, after tcs_evidence_fit() */
    GArray *lines;      /* of TcsCpuLine, likewise */
    GError *error;      /* why the method does not work here; NULL: it does */
} TcsEvidence;

TcsEvidence *tcs_evidence_new(const TcsMethod *method);
void tcs_evidence_free(TcsEvidence *evidence);

/*
 * Makes ties and lines of the records. `rate`: of the host's realtime between
 * readings, ns per host tick. Refuses, into evidence->error, what contradicts
 * itself, counts by another counter than `counter`, or is of another boot than
 * the guest's readings.
 */
void tcs_evidence_fit(TcsEvidence *evidence, const char *counter,
                      const TcsGuestReply *guest, struct tcs_rate_span rate);

/*
 * Narrows a line by one tie. FALSE and TCS_ERROR_REFUSED where it contradicts
 * the earlier ones; the line is what it was.
 */
gboolean tcs_counter_line_add_tie(struct tcs_counter_line *line,
                                  const TcsTie *tie, GError **error);

/* The line of a guest CPU; NULL and TCS_ERROR_REFUSED where it has none. */
const struct tcs_counter_line *
tcs_evidence_find_line(const TcsEvidence *evidence, gint64 cpu, GError **error);

G_END_DECLS

#endif
