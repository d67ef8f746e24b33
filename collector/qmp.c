/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an address to a QMP monitor in command mode.
 */
#include "qmp.h"

#include <string.h>

#include "address.h"
#include "connect.h"
#include "error.h"
#include "json-rpc.h"
#include "json-util.h"
#include "rpc-impl.h"

#define ONE_CLIENT                                                         \
    "another client probably holds this monitor (a QMP socket serves one " \
    "client at a time); close that one or give the VM a second -qmp socket"

typedef struct {
    TcsAddress *address;
    char *name;
    gint64 deadline;
    TcsLineChannel *channel;
    TcsRpc *rpc;
} Connect;

static void connect_free(gpointer data)
{
    Connect *self = data;

    tcs_address_free(self->address);
    g_free(self->name);
    g_clear_pointer(&self->channel, tcs_line_channel_unref);
    g_clear_pointer(&self->rpc, tcs_rpc_unref);
    g_free(self);
}

static void on_capabilities(GObject *source, GAsyncResult *result,
                            gpointer data)
{
    g_autoptr(GTask) task = data;
    Connect *self = g_task_get_task_data(task);
    g_autoptr(json_object) reply = NULL;
    GError *error = NULL;

    reply = tcs_rpc_call_finish(self->rpc, result, &error);
    if (reply == NULL) {
        g_task_return_error(task, error);
        return;
    }
    g_task_return_pointer(task, g_steal_pointer(&self->rpc),
                          (GDestroyNotify)tcs_rpc_unref);
}

static gboolean is_greeting(GBytes *line, GError **error)
{
    gsize length;
    const char *text = g_bytes_get_data(line, &length);
    g_autoptr(json_object) greeting = tcs_json_parse(text, length, error);

    return greeting && tcs_json_get_object(greeting, "QMP", NULL, error);
}

static GError *not_qmp_error(Connect *self, GBytes *line, const char *problem)
{
    gsize length;
    const char *text = g_bytes_get_data(line, &length);
    g_autofree char *shown = tcs_printable(text, length, 60);
    const char *advice = "give the address of a -qmp socket";

    if (g_str_has_prefix(shown, "QEMU ")) {
        advice = "this looks like the human monitor; give the address of a "
                 "-qmp socket";
    } else if (g_str_has_prefix(shown, "{")) {
        advice = "each message must be one line, so do not use -qmp-pretty or "
                 "pretty=on";
    }
    return g_error_new(TCS_ERROR, TCS_ERROR_PROTOCOL,
                       "%s: this is not QMP: instead of a greeting it sent "
                       "'%s' (%s); %s",
                       self->name, shown, problem, advice);
}

static GError *no_greeting_error(Connect *self, GError *cause)
{
    GError *error = cause;

    if (g_error_matches(cause, TCS_ERROR, TCS_ERROR_TIMEOUT)) {
        error = g_error_new(TCS_ERROR, TCS_ERROR_TIMEOUT,
                            "%s: connected, but no QMP greeting came within "
                            "the time limit: " ONE_CLIENT
                            "; or it is a guest agent's, which waits to be "
                            "asked: are --qmp and --agent swapped?",
                            self->name);
        g_error_free(cause);
    } else if (g_error_matches(cause, TCS_ERROR, TCS_ERROR_UNREACHABLE)) {
        error = g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                            "%s: closed the connection without a QMP greeting; "
                            "check that QEMU is running and that this is its "
                            "-qmp socket",
                            self->name);
        g_error_free(cause);
    }
    return error;
}

static void on_greeting(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Connect *self = g_task_get_task_data(task);
    g_autoptr(GBytes) line = NULL;
    GError *error = NULL;

    line = tcs_line_channel_exchange_finish(result, &error);
    if (line == NULL) {
        g_task_return_error(task, no_greeting_error(self, error));
        return;
    }
    if (!is_greeting(line, &error)) {
        g_task_return_error(task, not_qmp_error(self, line, error->message));
        g_error_free(error);
        return;
    }
    self->rpc = tcs_json_rpc_new(self->channel, TCS_JSON_RPC_QMP);
    tcs_rpc_call_async(self->rpc, "qmp_capabilities", NULL,
                       tcs_deadline_left_ms(self->deadline), on_capabilities,
                       g_steal_pointer(&task));
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Connect *self = g_task_get_task_data(task);
    GError *error = NULL;
    int fd = tcs_connect_finish(result, &error);

    if (fd < 0) {
        /* A full backlog is what several waiting clients look like. */
        if (self->address->kind == TCS_ADDRESS_UNIX &&
            g_error_matches(error, TCS_ERROR, TCS_ERROR_TIMEOUT)) {
            g_clear_error(&error);
            error = g_error_new(TCS_ERROR, TCS_ERROR_TIMEOUT,
                                "%s: no connection within the time "
                                "limit: " ONE_CLIENT,
                                self->name);
        }
        g_task_return_error(task, error);
        return;
    }
    self->channel = tcs_line_channel_new(fd, self->name);
    tcs_line_channel_exchange_async(self->channel, NULL, "the QMP greeting",
                                    self->deadline, on_greeting,
                                    g_steal_pointer(&task));
}

void tcs_qmp_connect_async(const char *address, guint timeout_ms,
                           GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, user_data);
    Connect *self = g_new0(Connect, 1);
    GError *error = NULL;

    g_task_set_task_data(task, self, connect_free);
    self->deadline = tcs_deadline_after_ms(timeout_ms);
    self->address = tcs_address_parse_qmp(address, &error);
    if (self->address == NULL) {
        g_task_return_error(task, error);
        return;
    }
    self->name = g_strdup_printf("QMP monitor %s", self->address->text);
    tcs_connect_async(self->address, self->deadline, on_connected,
                      g_steal_pointer(&task));
}

TcsRpc *tcs_qmp_connect_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
