/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From answers to counter lines.
 */
#include "evidence.h"

#include <errno.h>

#include "error.h"
#include "json-util.h"

static void clear_line(gpointer data)
{
    tcs_counter_line_clear(&((TcsCpuLine *)data)->line);
}

TcsEvidence *tcs_evidence_new(const TcsMethod *method)
{
    TcsEvidence *evidence = g_new0(TcsEvidence, 1);

    evidence->method = method;
    evidence->records = json_object_new_array();
    evidence->ties = g_array_new(FALSE, TRUE, sizeof(TcsTie));
    evidence->lines = g_array_new(FALSE, TRUE, sizeof(TcsCpuLine));
    g_array_set_clear_func(evidence->lines, clear_line);
    return evidence;
}

void tcs_evidence_free(TcsEvidence *evidence)
{
    if (evidence) {
        json_object_put(evidence->records);
        g_array_unref(evidence->ties);
        g_array_unref(evidence->lines);
        g_clear_error(&evidence->error);
        g_free(evidence);
    }
}

static TcsCpuLine *find(const TcsEvidence *evidence, gint64 cpu)
{
    for (guint i = 0; i < evidence->lines->len; i++) {
        TcsCpuLine *line = &g_array_index(evidence->lines, TcsCpuLine, i);

        if (line->cpu == cpu) {
            return line;
        }
    }
    return NULL;
}

/* Whether an answer is of this guest, as it was when it read its clocks. */
static gboolean check_answer(const TcsAnswer *answer, const char *counter,
                             const TcsGuestReply *guest, GError **error)
{
    if (!g_str_equal(answer->counter, counter)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest counts by %s and the host by %s, which nothing "
                    "relates",
                    answer->counter, counter);
        return FALSE;
    }
    if (guest && !g_str_equal(answer->boot_id, guest->boot_id)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest booted anew meanwhile (boot id %s, then %s); "
                    "try again",
                    answer->boot_id, guest->boot_id);
        return FALSE;
    }
    return TRUE;
}

static gboolean make_ties(TcsEvidence *evidence, const char *counter,
                          const TcsGuestReply *guest, struct tcs_rate_span rate,
                          GError **error)
{
    gsize n = json_object_array_length(evidence->records);

    if (n == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL, "no answer");
        return FALSE;
    }

    for (gsize i = 0; i < n; i++) {
        TcsAnswer answer = { 0 };

        json_object *record = json_object_array_get_idx(evidence->records, i);

        if (!json_object_is_type(record, json_type_object)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                        "answer %zu is not an object", i + 1);
            return FALSE;
        }
        if (!evidence->method->tie(record, rate, &answer, error) ||
            !check_answer(&answer, counter, guest, error)) {
            g_prefix_error(error, "answer %zu of %zu: ", i + 1, n);
            return FALSE;
        }
        g_array_append_val(evidence->ties, answer.tie);
    }
    return TRUE;
}

static TcsCpuLine *find_or_add(TcsEvidence *evidence, gint64 cpu,
                               struct tcs_rate_span rate)
{
    TcsCpuLine line = { .cpu = cpu };

    if (!find(evidence, cpu)) {
        tcs_counter_line_init(&line.line, rate);
        g_array_append_val(evidence->lines, line);
    }
    return find(evidence, cpu);
}

gboolean tcs_counter_line_add_tie(struct tcs_counter_line *line,
                                  const TcsTie *tie, GError **error)
{
    switch (tcs_counter_line_add(line, tie->when.lo, tie->when.hi, tie->ceiling,
                                 tie->floor)) {
    case 0:
        return TRUE;
    case -ENOMEM:
        g_error("out of memory");
    case -EDOM:
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "its answers contradict each other: the counter of guest "
                    "CPU %" G_GINT64_FORMAT
                    " was set meanwhile or does not run evenly (then try "
                    "again), or this guest's answers cannot be trusted",
                    tie->cpu);
        return FALSE;
    default:
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the counter of guest CPU %" G_GINT64_FORMAT
                    " jumped; do not trust this guest's clocks",
                    tie->cpu);
        return FALSE;
    }
}

static gboolean make_lines(TcsEvidence *evidence, struct tcs_rate_span rate,
                           GError **error)
{
    const TcsMethod *method = evidence->method;
    struct tcs_rate_span allowed = TCS_RATE_SPAN_MONOTONE;

    if (method->rate && !method->rate(evidence->ties, rate, &allowed, error)) {
        return FALSE;
    }
    for (guint i = 0; i < evidence->ties->len; i++) {
        const TcsTie *tie = &g_array_index(evidence->ties, TcsTie, i);
        TcsCpuLine *line = find_or_add(evidence, tie->cpu, allowed);

        if (!tcs_counter_line_add_tie(&line->line, tie, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

void tcs_evidence_fit(TcsEvidence *evidence, const char *counter,
                      const TcsGuestReply *guest, struct tcs_rate_span rate)
{
    g_array_set_size(evidence->ties, 0);
    g_array_set_size(evidence->lines, 0);
    if (!evidence->error &&
        make_ties(evidence, counter, guest, rate, &evidence->error)) {
        make_lines(evidence, rate, &evidence->error);
    }
    if (evidence->error) {
        g_array_set_size(evidence->lines, 0);
    }
}

const struct tcs_counter_line *
tcs_evidence_find_line(const TcsEvidence *evidence, gint64 cpu, GError **error)
{
    const TcsCpuLine *line = find(evidence, cpu);

    if (!line) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the counter of guest CPU %" G_GINT64_FORMAT
                    " was not asked for by %s, only that of the CPU the agent "
                    "reads on",
                    cpu, evidence->method->name);
        return NULL;
    }
    return &line->line;
}
