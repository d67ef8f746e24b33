/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of questions to the guest: each step_ function starts one call,
 * each on_ function takes its answer and goes on.
 */
#include "ask-guest.h"

#include "clockread/counter.h"
#include "error.h"
#include "host-sampler.h"
#include "prober.h"

#define COMMAND "guest-get-trace-clocks"

/* Owned by its GTask. */
typedef struct {
    TcsRpc *agent;
    const TcsSessionOptions *options;
    TcsSample *sample;
    TcsLocalCounters *local;
    TcsHostSampler *sampler;
    gint64 cpu;
    guint evidence;    /* the next one to be gathered */
    gboolean has_read; /* the guest its clocks */
} Asking;

static void step_evidence(GTask *task);

static void asking_free(gpointer data)
{
    Asking *asking = data;

    if (asking->sampler) {
        g_array_unref(tcs_host_sampler_stop(asking->sampler));
    }
    g_free(asking);
}

static void fail(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

/* Whether the readings were taken, and count as the host does. */
static gboolean take_readings(Asking *asking, GAsyncResult *result,
                              GError **error)
{
    TcsSample *sample = asking->sample;
    const char *name = tcs_rpc_name(asking->agent);

    sample->guest_json = tcs_rpc_call_finish(asking->agent, result, error);
    if (!sample->guest_json) {
        return FALSE;
    }
    sample->guest = tcs_guest_reply_parse(sample->guest_json, error);
    if (!sample->guest) {
        if (error) {
            tcs_rpc_explain_answer(
                asking->agent, *error,
                "check that the agent and this program are of the same "
                "version, and do not trust a guest whose agent is");
        }
        return FALSE;
    }
    if (!g_str_equal(sample->guest->counter, sample->qmp_before->counter)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s: it counts by %s and the host by %s, which nothing "
                    "relates; check that --agent and --qmp are of the same VM",
                    name, sample->guest->counter, sample->qmp_before->counter);
        return FALSE;
    }
    return TRUE;
}

static void on_readings(GObject *source, GAsyncResult *result,
                        gpointer user_data)
{
    GTask *task = user_data;
    Asking *asking = g_task_get_task_data(task);
    GError *error = NULL;

    asking->local->after_agent = tcs_counter_after();
    g_array_unref(asking->sample->local_clocks);
    asking->sample->local_clocks =
        tcs_host_sampler_stop(g_steal_pointer(&asking->sampler));
    if (!take_readings(asking, result, &error)) {
        fail(task, error);
        return;
    }
    asking->has_read = TRUE;
    asking->evidence = 0;
    step_evidence(task);
}

static json_object *arguments_new(const Asking *asking)
{
    json_object *arguments = json_object_new_object();

    json_object_object_add(
        arguments, "samples",
        json_object_new_int64(asking->options->agent_samples));
    if (asking->options->clocks) {
        json_object *clocks = json_object_new_array();

        for (char **name = asking->options->clocks; *name; name++) {
            json_object_array_add(clocks, json_object_new_string(*name));
        }
        json_object_object_add(arguments, "clocks", clocks);
    }
    if (asking->cpu >= 0) {
        json_object *cpus = json_object_new_array();

        /* The one whose counter the methods have asked for. */
        json_object_array_add(cpus, json_object_new_int64(asking->cpu));
        json_object_object_add(arguments, "cpus", cpus);
    }
    return arguments;
}

static void step_readings(GTask *task)
{
    Asking *asking = g_task_get_task_data(task);
    json_object *arguments = arguments_new(asking);

    asking->sampler = tcs_host_sampler_start(asking->options->host_clocks,
                                             asking->options->reads_posix);
    asking->local->before_agent = tcs_counter_before();
    tcs_rpc_call_async(asking->agent, COMMAND, arguments,
                       asking->options->timeout_ms, on_readings, task);
}

static TcsEvidence *next_evidence(const Asking *asking)
{
    const GPtrArray *evidence = asking->sample->evidence;

    return asking->evidence < evidence->len
               ? g_ptr_array_index(evidence, asking->evidence)
               : NULL;
}

static void on_evidence(GObject *source, GAsyncResult *result,
                        gpointer user_data)
{
    GTask *task = user_data;
    Asking *asking = g_task_get_task_data(task);
    const TcsEvidence *evidence = next_evidence(asking);

    asking->cpu = tcs_prober_finish(result);
    /* Where all methods are tried the others go on. */
    if (evidence->error && asking->options->method) {
        GError *error = g_error_copy(evidence->error);

        g_prefix_error(&error, "method %s: ", evidence->method->name);
        fail(task, error);
        return;
    }
    asking->evidence++;
    step_evidence(task);
}

/* One method after the other, before and after the guest reads. */
static void step_evidence(GTask *task)
{
    Asking *asking = g_task_get_task_data(task);
    TcsEvidence *evidence = next_evidence(asking);

    if (evidence) {
        tcs_prober_async(asking->agent, evidence, asking->cpu,
                         asking->options->timeout_ms, on_evidence, task);
    } else if (!asking->has_read) {
        step_readings(task);
    } else {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

void tcs_ask_guest_async(TcsRpc *agent, const TcsSessionOptions *options,
                         gint64 cpu, TcsSample *sample, TcsLocalCounters *local,
                         GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    Asking *asking = g_new0(Asking, 1);

    asking->agent = agent;
    asking->options = options;
    asking->sample = sample;
    asking->local = local;
    asking->cpu = cpu;
    g_task_set_task_data(task, asking, asking_free);
    for (guint i = 0; tcs_methods[i]; i++) {
        const TcsMethod *method = tcs_methods[i];

        if (method->command &&
            (!options->method || options->method == method)) {
            g_ptr_array_add(sample->evidence, tcs_evidence_new(method));
        }
    }
    step_evidence(task);
}

gboolean tcs_ask_guest_finish(GAsyncResult *result, gint64 *ret_cpu,
                              GError **error)
{
    const Asking *asking = g_task_get_task_data(G_TASK(result));

    *ret_cpu = asking->cpu;
    return g_task_propagate_boolean(G_TASK(result), error);
}
