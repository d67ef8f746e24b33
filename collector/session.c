/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of questions, as a chain of callbacks: each step_ function starts
 * one call, each on_ function takes its answer and goes on.
 */
#include "session.h"

#include "agent.h"
#include "clockread/counter.h"
#include "error.h"
#include "host-sampler.h"
#include "json-util.h"
#include "qmp.h"

#define QMP_COMMAND   "query-trace-clock-sync"
#define AGENT_COMMAND "guest-get-trace-clocks"

/* A mapping that changes meanwhile spoils a sample; then it is taken anew. */
#define ATTEMPTS 3

struct TcsSession {
    TcsSessionOptions options;
    char *vm;
    TcsRpc *qmp;
    TcsRpc *agent;
};

/* A sample being taken; owned by its GTask. */
typedef struct {
    TcsSession *session;
    TcsSample *sample;
    TcsHostSampler *sampler;
    guint attempts;
    /* This machine's counter around the two queries and the agent's answer. */
    guint64 local[6];
} Taking;

enum {
    BEFORE_QUERY_1,
    AFTER_QUERY_1,
    BEFORE_AGENT,
    AFTER_AGENT,
    BEFORE_QUERY_2,
    AFTER_QUERY_2,
};

static void step_query_before(GTask *task);

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
    g_clear_pointer(&sample->local_clocks, g_array_unref);
    g_free(sample);
}

static void taking_free(gpointer data)
{
    Taking *taking = data;

    if (taking->sampler) {
        g_array_unref(tcs_host_sampler_stop(taking->sampler));
    }
    tcs_sample_free(taking->sample);
    g_free(taking);
}

TcsSession *tcs_session_new(const TcsSessionOptions *options)
{
    TcsSession *session = g_new0(TcsSession, 1);

    session->options = *options;
    session->options.qmp = g_strdup(options->qmp);
    session->options.agent = g_strdup(options->agent);
    session->options.clocks = g_strdupv(options->clocks);
    session->vm = g_filename_display_name(options->qmp);
    return session;
}

void tcs_session_reset(TcsSession *session)
{
    g_clear_pointer(&session->qmp, tcs_rpc_unref);
    g_clear_pointer(&session->agent, tcs_rpc_unref);
}

void tcs_session_free(TcsSession *session)
{
    if (session) {
        tcs_session_reset(session);
        g_free(session->options.qmp);
        g_free(session->options.agent);
        g_strfreev(session->options.clocks);
        g_free(session->vm);
        g_free(session);
    }
}

const char *tcs_session_vm(const TcsSession *session)
{
    return session->vm;
}

const char *tcs_session_route(const TcsSession *session)
{
    return session->agent ? tcs_agent_route(session->agent) : NULL;
}

static void fail(GTask *task, GError *error)
{
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void explain_missing_command(GError *error)
{
    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND)) {
        g_autofree char *message = g_strdup_printf(
            "%s: this QEMU was started without the component; add "
            "-plugin PATH/trace-clock-sync.so to its command line (under "
            "libvirt: <qemu:commandline>)",
            error->message);

        g_free(error->message);
        error->message = g_steal_pointer(&message);
    }
}

/* What was wrong with an answer, with who gave it and what to do. */
static void explain_bad_answer(GError *error, TcsRpc *rpc, const char *advice)
{
    g_autofree char *message =
        g_strdup_printf("%s: refused its answer to %s; %s", tcs_rpc_name(rpc),
                        error->message, advice);

    g_free(error->message);
    error->message = g_steal_pointer(&message);
}

/* Takes the answer of QMP_COMMAND; FALSE and the task failed otherwise. */
static gboolean take_query(GTask *task, GAsyncResult *result,
                           json_object **ret_json, TcsQmpReply **ret_reply)
{
    Taking *taking = g_task_get_task_data(task);
    GError *error = NULL;

    *ret_json = tcs_rpc_call_finish(taking->session->qmp, result, &error);
    if (*ret_json) {
        *ret_reply = tcs_qmp_reply_parse(*ret_json, &error);
        if (!*ret_reply) {
            explain_bad_answer(error, taking->session->qmp,
                               "check that QEMU's component and this program "
                               "are of the same version");
        }
    } else {
        explain_missing_command(error);
    }
    if (!*ret_json || !*ret_reply) {
        fail(task, error);
        return FALSE;
    }
    return TRUE;
}

static guint64 later(guint64 a, guint64 b)
{
    return MAX(a, b);
}

static guint64 earlier(guint64 a, guint64 b)
{
    return MIN(a, b);
}

/* The latest host counter read in a reply. */
static guint64 last_counter(const TcsQmpReply *reply)
{
    guint64 last = 0;

    for (guint i = 0; i < reply->vcpus->len; i++) {
        last = later(last,
                     g_array_index(reply->vcpus, TcsVcpu, i).read_at.hi.ticks);
    }
    for (guint i = 0; i < reply->host_clocks->len; i++) {
        last = later(last, g_array_index(reply->host_clocks, TcsHostClock, i)
                               .reading.when.hi.ticks);
    }
    return last;
}

/* The earliest host counter read in a reply. */
static guint64 first_counter(const TcsQmpReply *reply)
{
    guint64 first = G_MAXUINT64;

    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (vcpu->read_at.hi.ticks) {
            first = earlier(first, vcpu->read_at.lo.ticks);
        }
    }
    for (guint i = 0; i < reply->host_clocks->len; i++) {
        first =
            earlier(first, g_array_index(reply->host_clocks, TcsHostClock, i)
                               .reading.when.lo.ticks);
    }
    return first;
}

/*
 * Whether the counters QEMU reports are this machine's: every one lies between
 * our own reads around the query. Two machines would have to have booted within
 * the duration of a query of each other for that to be chance.
 */
static gboolean is_local(const Taking *taking)
{
    const TcsSample *sample = taking->sample;

    return first_counter(sample->qmp_before) >= taking->local[BEFORE_QUERY_1] &&
           last_counter(sample->qmp_before) <= taking->local[AFTER_QUERY_1] &&
           first_counter(sample->qmp_after) >= taking->local[BEFORE_QUERY_2] &&
           last_counter(sample->qmp_after) <= taking->local[AFTER_QUERY_2];
}

static void finish_sample(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSample *sample = taking->sample;
    GError *error = NULL;

    if (!tcs_qmp_reply_same_mappings(sample->qmp_before, sample->qmp_after,
                                     &error)) {
        if (++taking->attempts < ATTEMPTS) {
            g_clear_error(&error);
            step_query_before(task);
            return;
        }
        g_prefix_error(&error, "%s: ", tcs_rpc_name(taking->session->qmp));
        fail(task, error);
        return;
    }

    sample->window.lo.ticks = last_counter(sample->qmp_before);
    sample->window.hi.ticks = first_counter(sample->qmp_after);
    if (sample->window.lo.ticks > sample->window.hi.ticks) {
        fail(task, g_error_new(TCS_ERROR, TCS_ERROR_REFUSED,
                               "%s: the host counter ran backward between two "
                               "queries; the host's counters are not in step",
                               tcs_rpc_name(taking->session->qmp)));
        return;
    }
    sample->is_local = is_local(taking);
    if (!sample->is_local) {
        g_array_set_size(sample->local_clocks, 0);
    } else if (sample->guest) {
        sample->window.lo.ticks =
            later(sample->window.lo.ticks, taking->local[BEFORE_AGENT]);
        sample->window.hi.ticks =
            earlier(sample->window.hi.ticks, taking->local[AFTER_AGENT]);
    }
    g_task_return_pointer(task, g_steal_pointer(&taking->sample),
                          (GDestroyNotify)tcs_sample_free);
    g_object_unref(task);
}

static void on_query_after(GObject *source, GAsyncResult *result,
                           gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSample *sample = taking->sample;

    taking->local[AFTER_QUERY_2] = tcs_counter_after();
    if (take_query(task, result, &sample->qmp_after_json, &sample->qmp_after)) {
        finish_sample(task);
    }
}

static void step_query_after(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;

    taking->local[BEFORE_QUERY_2] = tcs_counter_before();
    tcs_rpc_call_async(session->qmp, QMP_COMMAND, NULL,
                       session->options.timeout_ms, on_query_after, task);
}

static void on_agent_answer(GObject *source, GAsyncResult *result,
                            gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSample *sample = taking->sample;
    GError *error = NULL;

    taking->local[AFTER_AGENT] = tcs_counter_after();
    sample->local_clocks =
        tcs_host_sampler_stop(g_steal_pointer(&taking->sampler));
    sample->guest_json =
        tcs_rpc_call_finish(taking->session->agent, result, &error);
    if (sample->guest_json) {
        sample->guest = tcs_guest_reply_parse(sample->guest_json, &error);
        if (!sample->guest) {
            explain_bad_answer(error, taking->session->agent,
                               "check that the agent and this program are of "
                               "the same version, and do not trust a guest "
                               "whose agent is");
        }
    }
    if (sample->guest &&
        !g_str_equal(sample->guest->counter, sample->qmp_before->counter)) {
        fail(task,
             g_error_new(TCS_ERROR, TCS_ERROR_REFUSED,
                         "%s: it counts by %s and the hypervisor by %s, "
                         "which nothing relates; check that --agent and "
                         "--qmp are of the same VM",
                         tcs_rpc_name(taking->session->agent),
                         sample->guest->counter, sample->qmp_before->counter));
        return;
    }
    if (!sample->guest) {
        fail(task, error);
        return;
    }
    step_query_after(task);
}

static void step_agent(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;
    json_object *arguments = json_object_new_object();

    json_object_object_add(
        arguments, "samples",
        json_object_new_int64(session->options.agent_samples));
    if (session->options.clocks) {
        json_object *clocks = json_object_new_array();

        for (char **name = session->options.clocks; *name; name++) {
            json_object_array_add(clocks, json_object_new_string(*name));
        }
        json_object_object_add(arguments, "clocks", clocks);
    }
    taking->sampler = tcs_host_sampler_start(session->options.host_clocks);
    taking->local[BEFORE_AGENT] = tcs_counter_before();
    tcs_rpc_call_async(session->agent, AGENT_COMMAND, arguments,
                       session->options.timeout_ms, on_agent_answer, task);
}

static void on_agent_connected(GObject *source, GAsyncResult *result,
                               gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    GError *error = NULL;

    taking->session->agent = tcs_agent_connect_finish(result, &error);
    if (!taking->session->agent) {
        fail(task, error);
        return;
    }
    /* Connecting takes its time; the enclosing query should be fresh. */
    step_query_before(task);
}

/* Where there is no agent to wait for: once is enough. */
static GArray *read_host_clocks(const TcsSession *session)
{
    if (tcs_host_clocks_count(session->options.host_clocks) == 0) {
        return g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    }
    return tcs_host_sampler_stop(
        tcs_host_sampler_start(session->options.host_clocks));
}

static void on_query_before(GObject *source, GAsyncResult *result,
                            gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;
    TcsSample *sample = taking->sample;

    taking->local[AFTER_QUERY_1] = tcs_counter_after();
    if (!take_query(task, result, &sample->qmp_before_json,
                    &sample->qmp_before)) {
        return;
    }
    if (!session->options.agent || !sample->qmp_before->running) {
        /* A paused guest cannot answer; waiting for it would be in vain. */
        sample->local_clocks = read_host_clocks(session);
        step_query_after(task);
    } else if (!session->agent) {
        tcs_agent_connect_async(session->options.agent,
                                session->options.timeout_ms, on_agent_connected,
                                task);
    } else {
        step_agent(task);
    }
}

static void step_query_before(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;

    tcs_sample_free(taking->sample);
    taking->sample = g_new0(TcsSample, 1);
    taking->local[BEFORE_QUERY_1] = tcs_counter_before();
    tcs_rpc_call_async(session->qmp, QMP_COMMAND, NULL,
                       session->options.timeout_ms, on_query_before, task);
}

static void on_name(GObject *source, GAsyncResult *result, gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;
    GError *error = NULL;
    const char *name;
    g_autoptr(json_object) reply =
        tcs_rpc_call_finish(session->qmp, result, &error);

    if (!reply) {
        fail(task, error);
        return;
    }
    if (tcs_json_get_string(reply, "name", TCS_NAME_MAX, &name, NULL)) {
        g_free(session->vm);
        session->vm = g_strdup(name);
    }
    step_query_before(task);
}

static void on_qmp_connected(GObject *source, GAsyncResult *result,
                             gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;
    GError *error = NULL;

    session->qmp = tcs_qmp_connect_finish(result, &error);
    if (!session->qmp) {
        fail(task, error);
        return;
    }
    tcs_rpc_call_async(session->qmp, "query-name", NULL,
                       session->options.timeout_ms, on_name, task);
}

void tcs_session_sample_async(TcsSession *session, GAsyncReadyCallback callback,
                              gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    Taking *taking = g_new0(Taking, 1);

    taking->session = session;
    g_task_set_task_data(task, taking, taking_free);
    if (session->qmp) {
        step_query_before(task);
    } else {
        tcs_qmp_connect_async(session->options.qmp, session->options.timeout_ms,
                              on_qmp_connected, task);
    }
}

TcsSample *tcs_session_sample_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
