/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start, poll, decode. Two round trips and the helper's own start-up slower
 * than the direct way; the readings' own brackets do not suffer from that.
 */
#include "agent-exec.h"

#include <string.h>

#include "error.h"
#include "json-util.h"
#include "rpc-impl.h"

#define HELPER           "trace-clock-agent"
#define FIRST_POLL_MS    5
#define LAST_POLL_MS     100
#define MAX_SHOWN_STDERR 400

typedef struct {
    TcsRpc *qga;
    gint64 deadline;
    gint64 pid;
    guint poll_ms;
} Run;

static void poll_later(GTask *task);

static void run_free(gpointer data)
{
    Run *run = data;

    tcs_rpc_unref(run->qga);
    g_free(run);
}

static void add_string(json_object *array, const char *text)
{
    json_object_array_add(array, json_object_new_string(text));
}

/* ["a", 1] becomes "a,1". NULL where an element could be misread. */
static char *join(json_object *list)
{
    g_autoptr(GString) joined = g_string_new(NULL);

    if (!json_object_is_type(list, json_type_array)) {
        return NULL;
    }
    for (gsize i = 0; i < json_object_array_length(list); i++) {
        const char *item =
            json_object_get_string(json_object_array_get_idx(list, i));

        if (item == NULL || *item == '\0' || strchr(item, ',')) {
            return NULL;
        }
        g_string_append_printf(joined, "%s%s", i ? "," : "", item);
    }
    return g_strdup(joined->str);
}

/* The helper's command line; NULL and TCS_ERROR_USAGE. */
static json_object *make_argv(json_object *arguments, GError **error)
{
    g_autoptr(json_object) argv = json_object_new_array();

    add_string(argv, "--once");
    if (arguments == NULL) {
        return g_steal_pointer(&argv);
    }
    json_object_object_foreach(arguments, name, value)
    {
        g_autofree char *option = g_strdup_printf("--%s", name);
        g_autofree char *text = NULL;

        if (strcmp(name, "clocks") == 0 || strcmp(name, "cpus") == 0) {
            text = join(value);
        } else if (strcmp(name, "samples") == 0) {
            text = g_strdup(json_object_get_string(value));
        }
        if (text == NULL) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                        "the argument '%s' of guest-get-trace-clocks cannot be "
                        "passed to %s; check it",
                        name, HELPER);
            return NULL;
        }
        add_string(argv, option);
        add_string(argv, text);
    }
    return g_steal_pointer(&argv);
}

/* A base64 member as bytes, empty where it is absent. */
static GBytes *get_base64(json_object *object, const char *member,
                          GError **error)
{
    const char *text;
    g_autofree guchar *bytes = NULL;
    g_autofree char *again = NULL;
    gsize length;

    if (!tcs_json_has(object, member)) {
        return g_bytes_new(NULL, 0);
    }
    if (!tcs_json_get_string(object, member, G_MAXINT32, &text, error)) {
        return NULL;
    }
    /* GLib's decoder skips what it does not know. */
    bytes = g_base64_decode(text, &length);
    again = g_base64_encode(bytes, length);
    if (strcmp(again, text) != 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL, "'%s' is not base64",
                    member);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), length);
}

static gboolean check_exit(Run *run, json_object *status, GError **error)
{
    g_autoptr(GBytes) diagnostics = NULL;
    g_autofree char *shown = NULL;
    gint64 code = 0;
    gint64 signal = 0;
    gsize length;
    const char *text;

    if ((tcs_json_has(status, "exitcode") &&
         !tcs_json_get_i64(status, "exitcode", &code, error)) ||
        (tcs_json_has(status, "signal") &&
         !tcs_json_get_i64(status, "signal", &signal, error))) {
        return FALSE;
    }
    if (code == 0 && signal == 0) {
        return TRUE;
    }
    diagnostics = get_base64(status, "err-data", error);
    if (diagnostics == NULL) {
        return FALSE;
    }
    text = g_bytes_get_data(diagnostics, &length);
    shown = tcs_printable(text, length, MAX_SHOWN_STDERR);
    g_strstrip(shown);
    g_set_error(error, TCS_ERROR, TCS_ERROR_PEER,
                "%s: %s, run in the guest through guest-exec, ended with %s "
                "%" G_GINT64_FORMAT ": %s; try '%s --once' in the guest",
                tcs_rpc_name(run->qga), HELPER,
                signal ? "signal" : "exit status", signal ? signal : code,
                *shown ? shown : "no message", HELPER);
    return FALSE;
}

/* The helper's output as JSON. */
static json_object *read_output(json_object *status, GError **error)
{
    g_autoptr(GBytes) output = NULL;
    g_autoptr(json_object) reply = NULL;
    gboolean truncated = FALSE;
    gsize length;
    const char *text;

    if (tcs_json_has(status, "out-truncated") &&
        !tcs_json_get_bool(status, "out-truncated", &truncated, error)) {
        return NULL;
    }
    output = get_base64(status, "out-data", error);
    if (output == NULL) {
        return NULL;
    }
    text = g_bytes_get_data(output, &length);
    reply = tcs_json_parse(text ? text : "", length, error);
    if (reply && (truncated || !json_object_is_type(reply, json_type_object))) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    truncated ? "its output was cut off" : "it is no object");
        return NULL;
    }
    return g_steal_pointer(&reply);
}

static void on_status(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Run *run = g_task_get_task_data(task);
    g_autoptr(json_object) status = NULL;
    json_object *reply = NULL;
    gboolean exited;
    GError *error = NULL;

    status = tcs_rpc_call_finish(run->qga, result, &error);
    if (status == NULL) {
        g_task_return_error(task, error);
        return;
    }
    if (tcs_json_get_bool(status, "exited", &exited, &error) && !exited) {
        poll_later(g_steal_pointer(&task));
        return;
    }
    if (error == NULL && check_exit(run, status, &error)) {
        reply = read_output(status, &error);
    }
    if (reply) {
        g_task_return_pointer(task, reply, tcs_json_object_free);
        return;
    }
    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_PROTOCOL)) {
        g_prefix_error(&error,
                       "%s: the result of %s, run through guest-exec, is "
                       "refused (check its version in the guest): ",
                       tcs_rpc_name(run->qga), HELPER);
    }
    g_task_return_error(task, error);
}

static gboolean poll_now(gpointer data)
{
    GTask *task = data;
    Run *run = g_task_get_task_data(task);
    json_object *arguments;

    if (g_get_monotonic_time() >= run->deadline) {
        g_task_return_new_error(
            task, TCS_ERROR, TCS_ERROR_TIMEOUT,
            "%s: %s was started in the guest and did not finish within the "
            "time limit; try '%s --once' there, or allow more time",
            tcs_rpc_name(run->qga), HELPER, HELPER);
        g_object_unref(task);
        return G_SOURCE_REMOVE;
    }
    arguments = json_object_new_object();
    json_object_object_add(arguments, "pid", json_object_new_int64(run->pid));
    tcs_rpc_call_async(run->qga, "guest-exec-status", arguments,
                       tcs_deadline_left_ms(run->deadline), on_status, task);
    return G_SOURCE_REMOVE;
}

static void poll_later(GTask *task)
{
    Run *run = g_task_get_task_data(task);
    gint64 next = tcs_deadline_after_ms(run->poll_ms);
    g_autoptr(GSource) source = g_timeout_source_new(0);

    g_source_set_ready_time(source, MIN(next, run->deadline));
    run->poll_ms = MIN(run->poll_ms * 3 / 2 + 1, LAST_POLL_MS);
    g_source_set_callback(source, poll_now, task, NULL);
    g_source_attach(source, g_task_get_context(task));
}

/* What to do about a guest-exec that did not start the helper. */
static GError *explain(Run *run, GError *error)
{
    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND)) {
        g_prefix_error(&error, "the guest's qemu-ga has no "
                               "guest-get-trace-clocks, and ");
        return g_error_new(
            TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND,
            "%s; in the guest, do one of these: load the qemu-ga extension of "
            "trace-clock-sync; allow guest-exec (the block-rpcs, allow-rpcs or "
            "blacklist setting of qemu-ga) and install %s; or run '%s "
            "--listen vsock' and use --agent vsock:CID",
            error->message, HELPER, HELPER);
    }
    return g_error_new(
        TCS_ERROR, TCS_ERROR_PEER,
        "the guest's qemu-ga has no guest-get-trace-clocks, and %s could not "
        "be run instead: %s; install %s in the guest, in the PATH of qemu-ga",
        HELPER, error->message, HELPER);
}

static void on_started(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Run *run = g_task_get_task_data(task);
    g_autoptr(json_object) reply = NULL;
    GError *error = NULL;

    reply = tcs_rpc_call_finish(run->qga, result, &error);
    if (reply == NULL) {
        if (g_error_matches(error, TCS_ERROR, TCS_ERROR_PEER) ||
            g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND)) {
            GError *explained = explain(run, error);

            g_error_free(error);
            error = explained;
        }
        g_task_return_error(task, error);
        return;
    }
    if (!tcs_json_get_i64(reply, "pid", &run->pid, &error)) {
        g_prefix_error(&error,
                       "%s: the reply to guest-exec is refused (check the "
                       "guest's qemu-ga): ",
                       tcs_rpc_name(run->qga));
        g_task_return_error(task, error);
        return;
    }
    poll_later(g_steal_pointer(&task));
}

void tcs_agent_exec_async(TcsRpc *qga, json_object *arguments, gint64 deadline,
                          GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, user_data);
    Run *run = g_new0(Run, 1);
    GError *error = NULL;
    json_object *argv;
    json_object *exec;

    run->qga = tcs_rpc_ref(qga);
    run->deadline = deadline;
    run->poll_ms = FIRST_POLL_MS;
    g_task_set_task_data(task, run, run_free);

    argv = make_argv(arguments, &error);
    if (argv == NULL) {
        g_task_return_error(task, error);
        return;
    }
    exec = json_object_new_object();
    json_object_object_add(exec, "path", json_object_new_string(HELPER));
    json_object_object_add(exec, "arg", argv);
    json_object_object_add(exec, "capture-output",
                           json_object_new_boolean(TRUE));
    tcs_rpc_call_async(qga, "guest-exec", exec, tcs_deadline_left_ms(deadline),
                       on_started, g_steal_pointer(&task));
}

json_object *tcs_agent_exec_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
