/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an address to a synchronised agent, and the choice between its own
 * guest-get-trace-clocks and guest-exec.
 */
#include "agent.h"

#include <string.h>

#include "address.h"
#include "agent-exec.h"
#include "agent-sync.h"
#include "connect.h"
#include "error.h"
#include "json-rpc.h"
#include "rpc-impl.h"

typedef struct {
    TcsRpc rpc;
    TcsRpc *inner;
    TcsAddressKind kind;
    gboolean qga;
    gboolean exec; /* guest-exec has worked where the command had not */
} AgentRpc;

typedef struct {
    AgentRpc *agent; /* outlives the call: rpc.c sees to that */
    char *command;
    json_object *arguments;
    gint64 deadline;
} Call;

static void call_free(gpointer data)
{
    Call *call = data;

    g_free(call->command);
    json_object_put(call->arguments);
    g_free(call);
}

static void finish(GTask *task, json_object *reply, GError *error)
{
    if (reply) {
        g_task_return_pointer(task, reply, tcs_json_object_free);
    } else {
        g_task_return_error(task, error);
    }
    g_object_unref(task);
}

static void on_exec_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Call *call = g_task_get_task_data(task);
    GError *error = NULL;
    json_object *reply = tcs_agent_exec_finish(result, &error);

    call->agent->exec = reply != NULL;
    finish(task, reply, error);
}

static gboolean wants_exec(const Call *call)
{
    return call->agent->qga &&
           strcmp(call->command, "guest-get-trace-clocks") == 0;
}

static void call_exec(GTask *task)
{
    Call *call = g_task_get_task_data(task);

    tcs_agent_exec_async(call->agent->inner, call->arguments, call->deadline,
                         on_exec_reply, task);
}

static void on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    Call *call = g_task_get_task_data(task);
    GError *error = NULL;
    json_object *reply =
        tcs_rpc_call_finish(call->agent->inner, result, &error);

    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND) &&
        wants_exec(call)) {
        g_error_free(error);
        call_exec(task);
        return;
    }
    finish(task, reply, error);
}

static void agent_call(TcsRpc *rpc, const char *command, json_object *arguments,
                       gint64 deadline, GTask *task)
{
    AgentRpc *self = (AgentRpc *)rpc;
    Call *call = g_new0(Call, 1);

    call->agent = self;
    call->command = g_strdup(command);
    call->arguments = json_object_get(arguments);
    call->deadline = deadline;
    g_task_set_task_data(task, call, call_free);

    if (self->exec && wants_exec(call)) {
        call_exec(task);
        return;
    }
    tcs_rpc_call_async(self->inner, command, json_object_get(arguments),
                       tcs_deadline_left_ms(deadline), on_reply, task);
}

static void agent_free(TcsRpc *rpc)
{
    AgentRpc *self = (AgentRpc *)rpc;

    tcs_rpc_unref(self->inner);
    g_free(self);
}

static const TcsRpcClass agent_class = {
    .call = agent_call,
    .free = agent_free,
};

const char *tcs_agent_route(TcsRpc *rpc)
{
    const AgentRpc *self = (const AgentRpc *)rpc;

    if (rpc->klass != &agent_class) {
        return NULL;
    }
    if (self->qga) {
        return self->exec ? "qga-exec" : "qga";
    }
    switch (self->kind) {
    case TCS_ADDRESS_UNIX:
        return "unix";
    case TCS_ADDRESS_TCP:
        return "tcp";
    case TCS_ADDRESS_VSOCK:
        return "vsock";
    }
    g_assert_not_reached();
}

/* `inner` is consumed. */
static TcsRpc *agent_new(TcsRpc *inner, TcsAddressKind kind, gboolean qga)
{
    AgentRpc *agent = g_new0(AgentRpc, 1);

    tcs_rpc_init(&agent->rpc, &agent_class, tcs_rpc_name(inner));
    agent->inner = inner;
    agent->kind = kind;
    agent->qga = qga;
    return &agent->rpc;
}

TcsRpc *tcs_agent_of_qga(TcsRpc *inner)
{
    return agent_new(inner, TCS_ADDRESS_UNIX, TRUE);
}

typedef struct {
    TcsAddress *address;
    char *name;
    gint64 deadline;
    TcsLineChannel *channel;
} Connect;

static void connect_free(gpointer data)
{
    Connect *connect = data;

    tcs_address_free(connect->address);
    g_free(connect->name);
    g_clear_pointer(&connect->channel, tcs_line_channel_unref);
    g_free(connect);
}

static void on_synchronised(GObject *source, GAsyncResult *result,
                            gpointer data)
{
    g_autoptr(GTask) task = data;
    Connect *connect = g_task_get_task_data(task);
    GError *error = NULL;

    if (!tcs_agent_sync_finish(result, &error)) {
        g_task_return_error(task, error);
        return;
    }
    g_task_return_pointer(
        task,
        agent_new(tcs_json_rpc_new(connect->channel, TCS_JSON_RPC_AGENT),
                  connect->address->kind, connect->address->qga),
        (GDestroyNotify)tcs_rpc_unref);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Connect *connect = g_task_get_task_data(task);
    GError *error = NULL;
    int fd = tcs_connect_finish(result, &error);

    if (fd < 0) {
        g_task_return_error(task, error);
        return;
    }
    connect->channel = tcs_line_channel_new(fd, connect->name);
    tcs_agent_sync_async(connect->channel, connect->deadline, on_synchronised,
                         g_steal_pointer(&task));
}

void tcs_agent_connect_async(const char *address, guint timeout_ms,
                             GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, user_data);
    Connect *connect = g_new0(Connect, 1);
    GError *error = NULL;

    g_task_set_task_data(task, connect, connect_free);
    connect->deadline = tcs_deadline_after_ms(timeout_ms);
    connect->address = tcs_address_parse_agent(address, &error);
    if (connect->address == NULL) {
        g_task_return_error(task, error);
        return;
    }
    connect->name = g_strdup_printf("guest agent %s", connect->address->text);
    tcs_connect_async(connect->address, connect->deadline, on_connected,
                      g_steal_pointer(&task));
}

TcsRpc *tcs_agent_connect_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
