/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue in front of every kind of connection: one call at a time, and none
 * after one that left the connection in an unknown state.
 */
#include "rpc.h"

#include "error.h"
#include "rpc-impl.h"

typedef struct {
    TcsRpc *rpc;
    char *command;
    json_object *arguments;
    guint timeout_ms;
} Call;

static void pump(TcsRpc *rpc);

static void call_free(gpointer data)
{
    Call *call = data;

    tcs_rpc_unref(call->rpc);
    g_free(call->command);
    json_object_put(call->arguments);
    g_free(call);
}

void tcs_json_object_free(gpointer object)
{
    json_object_put(object);
}

gint64 tcs_deadline_after_ms(guint timeout_ms)
{
    return g_get_monotonic_time() + (gint64)timeout_ms * 1000;
}

guint tcs_deadline_left_ms(gint64 deadline)
{
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;

    return CLAMP(left, 1, G_MAXUINT);
}

void tcs_rpc_init(TcsRpc *rpc, const TcsRpcClass *klass, const char *name)
{
    rpc->klass = klass;
    g_atomic_ref_count_init(&rpc->refs);
    rpc->name = g_strdup(name);
    g_queue_init(&rpc->waiting);
}

TcsRpc *tcs_rpc_ref(TcsRpc *rpc)
{
    g_atomic_ref_count_inc(&rpc->refs);
    return rpc;
}

void tcs_rpc_unref(TcsRpc *rpc)
{
    if (g_atomic_ref_count_dec(&rpc->refs)) {
        /* Calls hold references, so none is waiting. */
        g_clear_error(&rpc->broken);
        g_free(rpc->name);
        rpc->klass->free(rpc);
    }
}

const char *tcs_rpc_name(TcsRpc *rpc)
{
    return rpc->name;
}

static gboolean leaves_connection_usable(const GError *error)
{
    return g_error_matches(error, TCS_ERROR, TCS_ERROR_PEER) ||
           g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND) ||
           g_error_matches(error, TCS_ERROR, TCS_ERROR_USAGE);
}

static void on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Call *call = g_task_get_task_data(task);
    g_autoptr(TcsRpc) rpc = tcs_rpc_ref(call->rpc);
    GError *error = NULL;
    json_object *value = g_task_propagate_pointer(G_TASK(result), &error);

    rpc->busy = FALSE;
    if (value) {
        g_task_return_pointer(task, value, tcs_json_object_free);
    } else {
        if (!leaves_connection_usable(error)) {
            rpc->broken = g_error_copy(error);
        }
        g_task_return_error(task, error);
    }
    pump(rpc);
}

static void start(TcsRpc *rpc, GTask *task)
{
    Call *call = g_task_get_task_data(task);

    if (rpc->broken) {
        g_task_return_new_error(task, rpc->broken->domain, rpc->broken->code,
                                "%s: %s was not sent, because the connection "
                                "is of no use any more after an earlier "
                                "failure (%s); connect again",
                                rpc->name, call->command, rpc->broken->message);
        g_object_unref(task);
        return;
    }
    rpc->busy = TRUE;
    rpc->klass->call(rpc, call->command, call->arguments,
                     tcs_deadline_after_ms(call->timeout_ms),
                     g_task_new(NULL, NULL, on_done, task));
}

static void pump(TcsRpc *rpc)
{
    while (!rpc->busy && !g_queue_is_empty(&rpc->waiting)) {
        start(rpc, g_queue_pop_head(&rpc->waiting));
    }
}

void tcs_rpc_call_async(TcsRpc *rpc, const char *command,
                        json_object *arguments, guint timeout_ms,
                        GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    Call *call = g_new0(Call, 1);

    call->rpc = tcs_rpc_ref(rpc);
    call->command = g_strdup(command);
    call->arguments = arguments;
    call->timeout_ms = timeout_ms;
    g_task_set_task_data(task, call, call_free);
    g_queue_push_tail(&rpc->waiting, task);
    pump(rpc);
}

json_object *tcs_rpc_call_finish(TcsRpc *rpc, GAsyncResult *result,
                                 GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

void tcs_rpc_explain_answer(TcsRpc *rpc, GError *error, const char *advice)
{
    tcs_error_rephrase(
        error, g_strdup_printf("%s: refused its answer to %s; %s",
                               tcs_rpc_name(rpc), error->message, advice));
}
