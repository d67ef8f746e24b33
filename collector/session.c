/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of questions, as a chain of callbacks: each step_ function starts
 * one call, each on_ function takes its answer and goes on.
 */
#include "session.h"

#include "agent.h"
#include "ask-guest.h"
#include "clockread/counter.h"
#include "error.h"
#include "host-sampler.h"
#include "host-view.h"
#include "json-util.h"
#include "qmp.h"

#define QMP_COMMAND "query-trace-clock-sync"

/* A mapping that changes meanwhile spoils a sample; then it is taken anew. */
#define ATTEMPTS 3

struct TcsSession {
    TcsSessionOptions options;
    char *vm;
    TcsRpc *qmp;
    TcsRpc *agent;
    gint64 cpu; /* of the guest, on which it is asked; negative: any */
};

/* A sample being taken; owned by its GTask. */
typedef struct {
    TcsSession *session;
    TcsSample *sample;
    guint attempts;
    TcsLocalCounters local;
    gint64 query_start_us;
} Taking;

static void step_query_before(GTask *task);

static void taking_free(gpointer data)
{
    Taking *taking = data;

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
    session->cpu = -1;
    if (options->domain) {
        tcs_domain_ref(options->domain);
        session->vm = g_strdup(tcs_domain_name(options->domain));
    } else {
        session->vm = g_filename_display_name(options->qmp ? options->qmp
                                                           : options->agent);
    }
    return session;
}

void tcs_session_reset(TcsSession *session)
{
    g_clear_pointer(&session->qmp, tcs_rpc_unref);
    g_clear_pointer(&session->agent, tcs_rpc_unref);
    session->cpu = -1;
}

void tcs_session_free(TcsSession *session)
{
    if (session) {
        tcs_session_reset(session);
        g_free(session->options.qmp);
        g_free(session->options.agent);
        g_clear_pointer(&session->options.domain, tcs_domain_unref);
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

/* Whether an address means that libvirt finds the peer. */
static gboolean is_of_domain(const TcsSession *session, const char *address)
{
    return session->options.domain && g_str_equal(address, TCS_OF_DOMAIN);
}

static void explain_missing_command(const TcsSession *session, GError *error)
{
    if (!g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND)) {
        return;
    }
    if (is_of_domain(session, session->options.qmp)) {
        const char *name = tcs_domain_name(session->options.domain);

        tcs_error_rephrase(
            error,
            g_strdup_printf("%s: this QEMU was started without the component; "
                            "add it (trace-clock-sync plugin add --domain %s) "
                            "if that was not done, then shut the domain down "
                            "and start it again",
                            error->message, name));
        return;
    }
    tcs_error_rephrase(
        error,
        g_strdup_printf("%s: this QEMU was started without the component; add "
                        "-plugin PATH/trace-clock-sync.so to its command line "
                        "(under libvirt: <qemu:commandline>)",
                        error->message));
}

/* Takes the answer of QMP_COMMAND; FALSE and the task failed otherwise. */
static gboolean take_query(GTask *task, GAsyncResult *result,
                           json_object **ret_json, TcsQmpReply **ret_reply)
{
    Taking *taking = g_task_get_task_data(task);
    GError *error = NULL;

    taking->sample->query_us += g_get_monotonic_time() - taking->query_start_us;
    *ret_json = tcs_rpc_call_finish(taking->session->qmp, result, &error);
    if (*ret_json) {
        *ret_reply = tcs_qmp_reply_parse(*ret_json, &error);
        if (!*ret_reply) {
            tcs_rpc_explain_answer(
                taking->session->qmp, error,
                "check that QEMU's component and this program "
                "are of the same version");
        }
    } else {
        explain_missing_command(taking->session, error);
    }
    if (!*ret_json || !*ret_reply) {
        fail(task, error);
        return FALSE;
    }
    return TRUE;
}

/* In place of QMP_COMMAND where there is no monitor. */
static void view_host(json_object **ret_json, TcsQmpReply **ret_reply)
{
    *ret_json = tcs_host_view_new();
    *ret_reply = tcs_qmp_reply_parse(*ret_json, NULL);
    g_assert(*ret_reply);
}

/* The method that was asked for, in use; all that can be where none was. */
static gboolean place_sample(Taking *taking, GError **error)
{
    TcsSample *sample = taking->sample;
    const TcsMethod *method = taking->session->options.method;

    for (guint i = 0; !sample->is_local && i < sample->evidence->len; i++) {
        TcsEvidence *evidence = g_ptr_array_index(sample->evidence, i);

        g_clear_error(&evidence->error);
        evidence->error = g_error_new(
            TCS_ERROR, TCS_ERROR_REFUSED,
            "the VM runs on another machine, whose counter cannot be read "
            "here; run this program on the VM's host, or use --method "
            "hypervisor");
    }
    tcs_sample_fit(sample, tcs_host_clock_slew_ppm());
    if (method && sample->guest && !tcs_sample_use(sample, method, error)) {
        g_prefix_error(error,
                       "%s: method %s: ", tcs_rpc_name(taking->session->agent),
                       method->name);
        return FALSE;
    }
    return TRUE;
}

/* Who told about the host. */
static const char *host_name(const TcsSession *session)
{
    return session->qmp ? tcs_rpc_name(session->qmp) : "this machine";
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
        g_prefix_error(&error, "%s: ", host_name(taking->session));
        fail(task, error);
        return;
    }

    if (!tcs_sample_enclose(sample, &taking->local)) {
        fail(task, g_error_new(TCS_ERROR, TCS_ERROR_REFUSED,
                               "%s: the host counter ran backward between two "
                               "queries; the host's counters are not in step",
                               host_name(taking->session)));
        return;
    }
    if (!place_sample(taking, &error)) {
        fail(task, error);
        return;
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

    taking->local.after_query_2 = tcs_counter_after();
    if (take_query(task, result, &sample->qmp_after_json, &sample->qmp_after)) {
        finish_sample(task);
    }
}

static void step_query_after(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;

    taking->local.before_query_2 = tcs_counter_before();
    if (!session->qmp) {
        view_host(&taking->sample->qmp_after_json, &taking->sample->qmp_after);
        taking->local.after_query_2 = tcs_counter_after();
        finish_sample(task);
        return;
    }
    taking->query_start_us = g_get_monotonic_time();
    tcs_rpc_call_async(session->qmp, QMP_COMMAND, NULL,
                       session->options.timeout_ms, on_query_after, task);
}

static void on_guest_asked(GObject *source, GAsyncResult *result,
                           gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    GError *error = NULL;

    if (tcs_ask_guest_finish(result, &taking->session->cpu, &error)) {
        step_query_after(task);
    } else {
        fail(task, error);
    }
}

static void step_guest(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;

    tcs_ask_guest_async(session->agent, &session->options, session->cpu,
                        taking->sample, &taking->local, on_guest_asked, task);
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

static void step_connect_agent(GTask *task)
{
    const TcsSession *session = ((Taking *)g_task_get_task_data(task))->session;
    const TcsSessionOptions *options = &session->options;

    if (is_of_domain(session, options->agent)) {
        tcs_domain_agent_async(options->domain, options->timeout_ms,
                               on_agent_connected, task);
    } else {
        tcs_agent_connect_async(options->agent, options->timeout_ms,
                                on_agent_connected, task);
    }
}

/* Where there is no agent to wait for: once is enough. */
static GArray *read_host_clocks(const TcsSession *session)
{
    if (tcs_host_clocks_count(session->options.host_clocks) == 0) {
        return g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    }
    return tcs_host_sampler_stop(tcs_host_sampler_start(
        session->options.host_clocks, session->options.reads_posix));
}

static void on_query_before(GObject *source, GAsyncResult *result,
                            gpointer user_data)
{
    GTask *task = user_data;
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;
    TcsSample *sample = taking->sample;

    taking->local.after_query_1 = tcs_counter_after();
    if (!take_query(task, result, &sample->qmp_before_json,
                    &sample->qmp_before)) {
        return;
    }
    if (!session->options.agent || !sample->qmp_before->running) {
        /* A paused guest cannot answer; waiting for it would be in vain. */
        g_array_unref(sample->local_clocks);
        sample->local_clocks = read_host_clocks(session);
        step_query_after(task);
    } else if (!session->agent) {
        step_connect_agent(task);
    } else {
        step_guest(task);
    }
}

static void step_query_before(GTask *task)
{
    Taking *taking = g_task_get_task_data(task);
    TcsSession *session = taking->session;

    tcs_sample_free(taking->sample);
    taking->sample = tcs_sample_new();
    taking->local.before_query_1 = tcs_counter_before();
    if (!session->qmp) {
        view_host(&taking->sample->qmp_before_json,
                  &taking->sample->qmp_before);
        taking->local.after_query_1 = tcs_counter_after();
        step_guest(task);
        return;
    }
    taking->query_start_us = g_get_monotonic_time();
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
    if (session->options.qmp ? session->qmp != NULL : session->agent != NULL) {
        step_query_before(task);
    } else if (!session->options.qmp) {
        step_connect_agent(task);
    } else if (is_of_domain(session, session->options.qmp)) {
        tcs_domain_monitor_async(session->options.domain,
                                 session->options.timeout_ms, on_qmp_connected,
                                 task);
    } else {
        tcs_qmp_connect_async(session->options.qmp, session->options.timeout_ms,
                              on_qmp_connected, task);
    }
}

TcsSample *tcs_session_sample_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
