/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question after the other.
 */
#include "prober.h"

#include "clockread/counter.h"
#include "error.h"
#include "host-sampler.h"
#include "host-view.h"
#include "json-util.h"
#include "qmp-reply.h"

#define BURST_US 200000
/* Host readings kept on either side of a guest's. */
#define NEIGHBOURS 2

/* Owned by its GTask. */
typedef struct {
    TcsRpc *agent;
    TcsEvidence *evidence;
    gint64 cpu;
    guint timeout_ms;
    guint asked;
    gint64 start_us;
    guint64 before;          /* the host's counter before the question */
    gsize first;             /* of this burst's records */
    TcsHostSampler *sampler; /* where the method uses the host's realtime */
} Burst;

static void ask(GTask *task);

static void burst_free(gpointer data)
{
    Burst *burst = data;

    if (burst->sampler) {
        g_array_unref(tcs_host_sampler_stop(burst->sampler));
    }
    g_free(burst);
}

static gboolean is_realtime(const GArray *clocks, guint i)
{
    return g_str_equal(g_array_index(clocks, TcsHostClock, i).clock,
                       "realtime");
}

/* The host's realtime around the value in an answer. */
static json_object *neighbours(const GArray *clocks, guint begin, guint end,
                               gint64 value_ns)
{
    guint at = begin, first, last;

    while (at < end &&
           g_array_index(clocks, TcsHostClock, at).reading.value.hi <=
               value_ns) {
        at++;
    }
    first = at - begin > NEIGHBOURS ? at - NEIGHBOURS : begin;
    last = end - at > NEIGHBOURS ? at + NEIGHBOURS : end;
    return tcs_host_view_clocks(clocks, first, last - first);
}

/* The first reading's value; 0 where there is none, which is told later. */
static gint64 value_of(json_object *record)
{
    json_object *reply, *readings;
    guint64 value = 0;

    if (tcs_json_get_object(record, "reply", &reply, NULL) &&
        tcs_json_get_array(reply, "readings", 1, &readings, NULL) &&
        json_object_array_length(readings) == 1 &&
        json_object_is_type(json_object_array_get_idx(readings, 0),
                            json_type_object)) {
        tcs_json_get_u64(json_object_array_get_idx(readings, 0), "value",
                         &value, NULL);
    }
    return (gint64)MIN(value, (guint64)INT64_MAX);
}

/* Puts the host's realtime, read meanwhile, beside each answer. */
static void add_realtime(Burst *burst)
{
    g_autoptr(GArray) clocks =
        tcs_host_sampler_stop(g_steal_pointer(&burst->sampler));
    json_object *records = burst->evidence->records;
    guint begin = 0, end;

    while (begin < clocks->len && !is_realtime(clocks, begin)) {
        begin++;
    }
    for (end = begin; end < clocks->len && is_realtime(clocks, end);) {
        end++;
    }
    for (gsize i = burst->first; i < json_object_array_length(records); i++) {
        json_object *record = json_object_array_get_idx(records, i);

        json_object_object_add(
            record, "host-realtime",
            neighbours(clocks, begin, end, value_of(record)));
    }
}

static void finish(GTask *task)
{
    Burst *burst = g_task_get_task_data(task);

    if (burst->sampler) {
        add_realtime(burst);
    }
    burst->evidence->duration_us += g_get_monotonic_time() - burst->start_us;
    g_task_return_int(task, burst->cpu);
    g_object_unref(task);
}

static void explain(Burst *burst, GError *error)
{
    const TcsMethod *method = burst->evidence->method;

    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND)) {
        tcs_error_rephrase(
            error, g_strdup_printf("%s: %s", error->message, method->advice));
    }
    burst->evidence->error = error;
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GTask *task = user_data;
    Burst *burst = g_task_get_task_data(task);
    TcsEvidence *evidence = burst->evidence;
    guint64 after = tcs_counter_after();
    GError *error = NULL;
    json_object *reply = tcs_rpc_call_finish(burst->agent, result, &error);
    json_object *record;

    if (!reply) {
        explain(burst, error);
        finish(task);
        return;
    }
    record = json_object_new_object();
    json_object_object_add(record, "counter-before",
                           json_object_new_uint64(burst->before));
    json_object_object_add(record, "reply", reply);
    json_object_object_add(record, "counter-after",
                           json_object_new_uint64(after));
    if (burst->sampler) {
        json_object_object_add(record, "host-realtime-error",
                               tcs_host_view_realtime_error());
    }
    json_object_array_add(evidence->records, record);
    burst->asked++;
    if (burst->cpu < 0) {
        /* Whoever gives none that can be used is refused with a reason later.
         */
        evidence->method->cpu(reply, &burst->cpu, NULL);
    }
    if (burst->cpu < 0 || burst->asked == evidence->method->requests ||
        g_get_monotonic_time() - burst->start_us >= BURST_US) {
        finish(task);
    } else {
        ask(task);
    }
}

static void ask(GTask *task)
{
    Burst *burst = g_task_get_task_data(task);
    const TcsMethod *method = burst->evidence->method;
    json_object *arguments = method->arguments(burst->cpu);

    burst->before = tcs_counter_before();
    tcs_rpc_call_async(burst->agent, method->command, arguments,
                       burst->timeout_ms, on_answer, task);
}

void tcs_prober_async(TcsRpc *agent, TcsEvidence *evidence, gint64 cpu,
                      guint timeout_ms, GAsyncReadyCallback callback,
                      gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    Burst *burst = g_new0(Burst, 1);

    burst->agent = agent;
    burst->evidence = evidence;
    burst->cpu = cpu;
    burst->timeout_ms = timeout_ms;
    burst->start_us = g_get_monotonic_time();
    burst->first = json_object_array_length(evidence->records);
    g_task_set_task_data(task, burst, burst_free);
    if (evidence->error) {
        finish(task);
        return;
    }
    if (evidence->method->uses_realtime) {
        burst->sampler = tcs_host_sampler_start(NULL, TRUE);
    }
    ask(task);
}

gint64 tcs_prober_finish(GAsyncResult *result)
{
    return g_task_propagate_int(G_TASK(result), NULL);
}
