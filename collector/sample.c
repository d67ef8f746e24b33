/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See sample.h.
 */
#include "sample.h"

#include "error.h"
#include "rates.h"

static void evidence_free(gpointer data)
{
    tcs_evidence_free(data);
}

TcsSample *tcs_sample_new(void)
{
    TcsSample *sample = g_new0(TcsSample, 1);

    sample->local_clocks = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    sample->evidence = g_ptr_array_new_with_free_func(evidence_free);
    return sample;
}

void tcs_sample_free(TcsSample *sample)
{
    if (!sample) {
        return;
    }
    json_object_put(sample->qmp_before_json);
    json_object_put(sample->guest_json);
    json_object_put(sample->qmp_after_json);
    tcs_qmp_reply_free(sample->qmp_before);
    tcs_qmp_reply_free(sample->qmp_after);
    tcs_guest_reply_free(sample->guest);
    g_array_unref(sample->local_clocks);
    g_ptr_array_unref(sample->evidence);
    g_free(sample);
}

const char *tcs_sample_method(const TcsSample *sample)
{
    return sample->placement ? sample->placement->method->name
                             : tcs_method_hypervisor.name;
}

/*
 * Whether the counters QEMU reports are this machine's: every one lies between
 * our own reads around the query. Two machines would have to have booted within
 * the duration of a query of each other for that to be chance.
 */
static gboolean is_local(struct tcs_host_span before,
                         struct tcs_host_span after,
                         const TcsLocalCounters *local)
{
    return before.lo.ticks >= local->before_query_1 &&
           before.hi.ticks <= local->after_query_1 &&
           after.lo.ticks >= local->before_query_2 &&
           after.hi.ticks <= local->after_query_2;
}

gboolean tcs_sample_enclose(TcsSample *sample, const TcsLocalCounters *local)
{
    /* Where a reply has no counter at all: no limit, and surely not local. */
    struct tcs_host_span before = { { 0 }, { 0 } };
    struct tcs_host_span after = { { G_MAXUINT64 }, { G_MAXUINT64 } };

    tcs_qmp_reply_counters(sample->qmp_before, &before);
    tcs_qmp_reply_counters(sample->qmp_after, &after);
    sample->window.lo = before.hi;
    sample->window.hi = after.lo;
    if (sample->window.lo.ticks > sample->window.hi.ticks) {
        return FALSE;
    }
    sample->is_local = is_local(before, after, local);
    if (!sample->is_local) {
        g_array_set_size(sample->local_clocks, 0);
    } else if (sample->guest) {
        sample->window.lo.ticks =
            MAX(sample->window.lo.ticks, local->before_agent);
        sample->window.hi.ticks =
            MIN(sample->window.hi.ticks, local->after_agent);
    }
    return TRUE;
}

struct tcs_rate_span tcs_sample_host_rate(const TcsSample *first,
                                          const TcsSample *last, guint ppm)
{
    struct tcs_rate_span nominal;

    if (!tcs_mean_rate(
            tcs_find_host_reading(first->qmp_before->host_clocks, "mono_raw"),
            tcs_find_host_reading(last->qmp_after->host_clocks, "mono_raw"),
            &nominal)) {
        return TCS_RATE_SPAN_MONOTONE;
    }
    return tcs_rate_span_widen(nominal, ppm);
}

void tcs_sample_fit(TcsSample *sample, guint host_slew_ppm)
{
    /* Of the host's realtime. */
    struct tcs_rate_span rate =
        tcs_sample_host_rate(sample, sample, host_slew_ppm);

    for (guint i = 0; i < sample->evidence->len; i++) {
        tcs_evidence_fit(g_ptr_array_index(sample->evidence, i),
                         sample->qmp_after->counter, sample->guest, rate);
    }
}

static const TcsEvidence *find_evidence(const TcsSample *sample,
                                        const TcsMethod *method)
{
    for (guint i = 0; i < sample->evidence->len; i++) {
        const TcsEvidence *evidence = g_ptr_array_index(sample->evidence, i);

        if (evidence->method == method) {
            return evidence;
        }
    }
    return NULL;
}

gboolean tcs_sample_use(TcsSample *sample, const TcsMethod *method,
                        GError **error)
{
    const TcsEvidence *evidence = find_evidence(sample, method);

    if (!method->command) {
        sample->placement = NULL;
        return TRUE;
    }
    if (!evidence) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest was not asked for %s", method->name);
        return FALSE;
    }
    if (evidence->error) {
        g_propagate_error(error, g_error_copy(evidence->error));
        return FALSE;
    }
    sample->placement = evidence;
    return TRUE;
}
