/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request, then lines until the one that answers it. Whatever else a peer
 * says, other than a QMP event, ends the connection.
 */
#include "json-rpc.h"

#include <string.h>

#include "error.h"
#include "json-util.h"
#include "rpc-impl.h"

#define MAX_DESC 1024

typedef struct {
    TcsRpc rpc;
    TcsLineChannel *channel;
    TcsJsonRpcKind kind;
} JsonRpc;

typedef struct {
    JsonRpc *json_rpc; /* outlives the call: rpc.c sees to that */
    char *command;
    char *id;
    gint64 deadline;
} Call;

static void call_free(gpointer data)
{
    Call *call = data;

    g_free(call->command);
    g_free(call->id);
    g_free(call);
}

G_GNUC_PRINTF(2, 3)
static GError *refusal(const Call *call, const char *format, ...)
{
    g_autofree char *problem = NULL;
    va_list arguments;

    va_start(arguments, format);
    problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return g_error_new(TCS_ERROR, TCS_ERROR_PROTOCOL,
                       "%s: what came as the answer to %s is refused: %s; "
                       "check that this is the right address and that nothing "
                       "else uses the connection",
                       call->json_rpc->rpc.name, call->command, problem);
}

static char *printable_member(json_object *object, const char *member)
{
    json_object *value = json_object_object_get(object, member);

    if (!json_object_is_type(value, json_type_string)) {
        return g_strdup("?");
    }
    return tcs_printable(json_object_get_string(value),
                         json_object_get_string_len(value), MAX_DESC);
}

GError *tcs_json_rpc_error(const char *name, const char *command,
                           json_object *error)
{
    g_autofree char *class = printable_member(error, "class");
    g_autofree char *desc = printable_member(error, "desc");

    if (strcmp(class, "CommandNotFound") == 0) {
        /* Or disabled; QEMU's own words for the former say it again. */
        const gboolean is_plain = strstr(desc, "has not been found") != NULL;

        return g_error_new(TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND,
                           "%s: the command %s is not available there%s%s",
                           name, command, is_plain ? "" : ": ",
                           is_plain ? "" : desc);
    }
    return g_error_new(TCS_ERROR, TCS_ERROR_PEER, "%s: %s failed there: %s",
                       name, command, desc);
}

static GError *peer_error(const Call *call, json_object *reply)
{
    json_object *error = json_object_object_get(reply, "error");

    if (!json_object_is_type(error, json_type_object)) {
        return refusal(call, "its 'error' is not an object");
    }
    return tcs_json_rpc_error(call->json_rpc->rpc.name, call->command, error);
}

static GError *check_id(const Call *call, json_object *reply)
{
    json_object *id;
    gboolean given = json_object_object_get_ex(reply, "id", &id);

    if (call->id == NULL) {
        return given ? refusal(call, "it has an id, and the request had none")
                     : NULL;
    }
    if (!given && tcs_json_has(reply, "error")) {
        g_autoptr(GError) error = peer_error(call, reply);

        return refusal(call, "an error that belongs to no request (%s)",
                       error->message);
    }
    if (!json_object_is_type(id, json_type_string) ||
        strcmp(json_object_get_string(id), call->id) != 0) {
        return refusal(call, "its id is not the request's: it answers "
                             "something that was not asked");
    }
    return NULL;
}

/* The reply's value, or *ret_error; neither where it is an event to skip. */
static json_object *judge(const Call *call, json_object *reply,
                          GError **ret_error)
{
    gboolean has_return = tcs_json_has(reply, "return");
    gboolean has_error = tcs_json_has(reply, "error");
    json_object *value;

    if (!has_return && !has_error && tcs_json_has(reply, "event") &&
        call->json_rpc->kind == TCS_JSON_RPC_QMP) {
        return NULL;
    }
    if (has_return == has_error) {
        *ret_error = refusal(
            call, has_return ? "it has both 'return' and 'error'"
                             : "it is no object with 'return' or 'error'");
        return NULL;
    }
    *ret_error = check_id(call, reply);
    if (*ret_error) {
        return NULL;
    }
    if (has_error) {
        *ret_error = peer_error(call, reply);
        return NULL;
    }
    value = json_object_object_get(reply, "return");
    if (value == NULL) {
        *ret_error = refusal(call, "its 'return' is null");
    }
    return json_object_get(value);
}

static void on_line(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Call *call = g_task_get_task_data(task);
    g_autoptr(GBytes) line = NULL;
    g_autoptr(json_object) reply = NULL;
    json_object *value;
    GError *error = NULL;

    line = tcs_line_channel_exchange_finish(result, &error);
    if (line == NULL) {
        g_task_return_error(task, error);
        return;
    }
    reply = tcs_json_parse(g_bytes_get_data(line, NULL), g_bytes_get_size(line),
                           &error);
    if (reply == NULL) {
        g_task_return_error(task, refusal(call, "%s", error->message));
        g_error_free(error);
        return;
    }
    value = judge(call, reply, &error);
    if (value) {
        g_task_return_pointer(task, value, tcs_json_object_free);
    } else if (error) {
        g_task_return_error(task, error);
    } else {
        tcs_line_channel_exchange_async(call->json_rpc->channel, NULL,
                                        call->command, call->deadline, on_line,
                                        g_steal_pointer(&task));
    }
}

GBytes *tcs_json_rpc_request(const char *command, json_object *arguments,
                             const char *id)
{
    g_autoptr(json_object) request = json_object_new_object();
    char *line;

    json_object_object_add(request, "execute", json_object_new_string(command));
    if (arguments) {
        json_object_object_add(request, "arguments",
                               json_object_get(arguments));
    }
    if (id) {
        json_object_object_add(request, "id", json_object_new_string(id));
    }
    line = g_strconcat(
        json_object_to_json_string_ext(
            request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        "\n", NULL);
    return g_bytes_new_take(line, strlen(line));
}

static void json_rpc_call(TcsRpc *rpc, const char *command,
                          json_object *arguments, gint64 deadline, GTask *task)
{
    JsonRpc *self = (JsonRpc *)rpc;
    Call *call = g_new0(Call, 1);
    g_autoptr(GBytes) request = NULL;

    call->json_rpc = self;
    call->command = g_strdup(command);
    call->deadline = deadline;
    if (self->kind == TCS_JSON_RPC_QMP) {
        /* Random, so that a reply cannot be sent ahead of its request. */
        call->id =
            g_strdup_printf("tcs-%08x%08x", g_random_int(), g_random_int());
    }
    g_task_set_task_data(task, call, call_free);

    /* Without ids this is how an answer from before the question shows. */
    if (call->id == NULL && tcs_line_channel_has_unread(self->channel)) {
        g_task_return_error(task, refusal(call, "it came before the request "
                                                "was sent"));
        g_object_unref(task);
        return;
    }
    request = tcs_json_rpc_request(command, arguments, call->id);
    tcs_line_channel_exchange_async(self->channel, request, command, deadline,
                                    on_line, task);
}

static void json_rpc_free(TcsRpc *rpc)
{
    JsonRpc *self = (JsonRpc *)rpc;

    tcs_line_channel_unref(self->channel);
    g_free(self);
}

static const TcsRpcClass json_rpc_class = {
    .call = json_rpc_call,
    .free = json_rpc_free,
};

TcsRpc *tcs_json_rpc_new(TcsLineChannel *channel, TcsJsonRpcKind kind)
{
    JsonRpc *self = g_new0(JsonRpc, 1);

    tcs_rpc_init(&self->rpc, &json_rpc_class, tcs_line_channel_name(channel));
    self->channel = tcs_line_channel_ref(channel);
    self->kind = kind;
    return &self->rpc;
}
