/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-sync-delimited: the byte 0xFF, which is in no UTF-8, before the request
 * makes the agent drop half a request; the same byte before the reply marks the
 * end of stale output. The id tells our reply from someone else's.
 */
#include "agent-sync.h"

#include <string.h>

#include "error.h"
#include "json-rpc.h"
#include "json-util.h"

#define COMMAND   "guest-sync-delimited"
#define MAX_SHOWN 60

typedef struct {
    TcsLineChannel *channel;
    gint64 deadline;
    guint64 id;
    char *skipped; /* the last line that was not the reply */
} Sync;

static void sync_free(gpointer data)
{
    Sync *sync = data;

    tcs_line_channel_unref(sync->channel);
    g_free(sync->skipped);
    g_free(sync);
}

static gboolean is_reply(const Sync *sync, const char *line, gsize length)
{
    const char *mark = memrchr(line, 0xFF, length);
    g_autoptr(json_object) reply = NULL;
    guint64 id;

    if (mark == NULL) {
        return FALSE;
    }
    reply = tcs_json_parse(mark + 1, line + length - mark - 1, NULL);
    return reply && tcs_json_get_u64(reply, "return", &id, NULL) &&
           id == sync->id;
}

static GError *explain(const Sync *sync, GError *error)
{
    GError *explained;

    if (!g_error_matches(error, TCS_ERROR, TCS_ERROR_TIMEOUT)) {
        return error;
    }
    explained = g_error_new(
        TCS_ERROR, TCS_ERROR_TIMEOUT,
        "%s: connected, but no answer to " COMMAND " came within the time "
        "limit%s%s%s; check that the agent runs in the guest, that the guest "
        "is not stopped, and that no other client holds the connection",
        tcs_line_channel_name(sync->channel),
        sync->skipped ? " (what came instead: '" : "",
        sync->skipped ? sync->skipped : "", sync->skipped ? "')" : "");
    g_error_free(error);
    return explained;
}

static void on_line(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Sync *sync = g_task_get_task_data(task);
    g_autoptr(GBytes) bytes = NULL;
    GError *error = NULL;
    const char *line;
    gsize length;

    bytes = tcs_line_channel_exchange_finish(result, &error);
    if (bytes == NULL) {
        g_task_return_error(task, explain(sync, error));
        return;
    }
    line = g_bytes_get_data(bytes, &length);
    if (is_reply(sync, line, length)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    g_free(sync->skipped);
    sync->skipped = tcs_printable(line, length, MAX_SHOWN);
    if (g_str_has_prefix(sync->skipped, "{\"QMP\"")) {
        g_task_return_new_error(task, TCS_ERROR, TCS_ERROR_PROTOCOL,
                                "%s: this is a QMP monitor, not a guest agent; "
                                "give it to --qmp",
                                tcs_line_channel_name(sync->channel));
        return;
    }
    tcs_line_channel_exchange_async(sync->channel, NULL, COMMAND,
                                    sync->deadline, on_line,
                                    g_steal_pointer(&task));
}

/* 0xFF and the request. */
static GBytes *make_request(guint64 id)
{
    g_autoptr(json_object) arguments = json_object_new_object();
    g_autoptr(GBytes) request = NULL;
    GByteArray *bytes = g_byte_array_new();

    json_object_object_add(arguments, "id", json_object_new_uint64(id));
    request = tcs_json_rpc_request(COMMAND, arguments, NULL);
    g_byte_array_append(bytes, (const guint8 *)"\xFF", 1);
    g_byte_array_append(bytes, g_bytes_get_data(request, NULL),
                        g_bytes_get_size(request));
    return g_byte_array_free_to_bytes(bytes);
}

void tcs_agent_sync_async(TcsLineChannel *channel, gint64 deadline,
                          GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    Sync *sync = g_new0(Sync, 1);
    g_autoptr(GBytes) request = NULL;

    sync->channel = tcs_line_channel_ref(channel);
    sync->deadline = deadline;
    sync->id = ((guint64)g_random_int() << 31) | (g_random_int() >> 1);
    g_task_set_task_data(task, sync, sync_free);

    request = make_request(sync->id);
    tcs_line_channel_exchange_async(channel, request, COMMAND, deadline,
                                    on_line, task);
}

gboolean tcs_agent_sync_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
