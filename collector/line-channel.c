/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines over a non-blocking socket, driven by one GSource per exchange that
 * watches the socket and the deadline together.
 */
#include "line-channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"

#define CHUNK (64u << 10)

struct TcsLineChannel {
    gatomicrefcount refs;
    int fd;
    char *name;

    GByteArray *output; /* not sent yet */
    GByteArray *input;
    gsize start;   /* of the first line not handed out */
    gsize scanned; /* no line end before this */

    /* The exchange under way. */
    GTask *task;
    GSource *source;
    gpointer fd_tag;
    gint64 deadline;
    char *what;
};

typedef struct {
    GSource source;
    TcsLineChannel *channel;
} ChannelSource;

TcsLineChannel *tcs_line_channel_new(int fd, const char *name)
{
    TcsLineChannel *channel = g_new0(TcsLineChannel, 1);

    g_atomic_ref_count_init(&channel->refs);
    channel->fd = fd;
    channel->name = g_strdup(name);
    channel->output = g_byte_array_new();
    channel->input = g_byte_array_new();
    return channel;
}

TcsLineChannel *tcs_line_channel_ref(TcsLineChannel *channel)
{
    g_atomic_ref_count_inc(&channel->refs);
    return channel;
}

void tcs_line_channel_unref(TcsLineChannel *channel)
{
    if (g_atomic_ref_count_dec(&channel->refs)) {
        close(channel->fd);
        g_free(channel->name);
        g_free(channel->what);
        g_byte_array_unref(channel->output);
        g_byte_array_unref(channel->input);
        g_free(channel);
    }
}

const char *tcs_line_channel_name(TcsLineChannel *channel)
{
    return channel->name;
}

static GError *closed_error(TcsLineChannel *channel, int err)
{
    g_autofree char *cause =
        err == 0 || err == EPIPE || err == ECONNRESET
            ? g_strdup("closed the connection")
            : g_strdup_printf("lost the connection (%s)", g_strerror(err));

    return g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                       "%s: %s while %s was outstanding; check that it is "
                       "still running, then try again",
                       channel->name, cause, channel->what);
}

static GError *timeout_error(TcsLineChannel *channel)
{
    return g_error_new(TCS_ERROR, TCS_ERROR_TIMEOUT,
                       "%s: no answer to %s within the time limit; check that "
                       "it is running and not stopped or overloaded, or allow "
                       "more time",
                       channel->name, channel->what);
}

static GError *limit_error(TcsLineChannel *channel)
{
    return g_error_new(TCS_ERROR, TCS_ERROR_PROTOCOL,
                       "%s: the answer to %s is a line of more than %u bytes, "
                       "which no honest peer sends; refused",
                       channel->name, channel->what, TCS_LINE_LIMIT);
}

/* Reads once. FALSE and *ret_error where nothing can come any more. */
static gboolean fill(TcsLineChannel *channel, GError **ret_error)
{
    GByteArray *input = channel->input;
    gsize kept;
    ssize_t got;

    g_byte_array_remove_range(input, 0, channel->start);
    channel->scanned -= channel->start;
    channel->start = 0;

    kept = input->len;
    g_byte_array_set_size(input, kept + CHUNK);
    got = recv(channel->fd, input->data + kept, CHUNK, 0);
    g_byte_array_set_size(input, kept + MAX(got, 0));
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
        return TRUE;
    }
    *ret_error = closed_error(channel, got == 0 ? 0 : errno);
    return FALSE;
}

static gboolean flush(TcsLineChannel *channel, GError **ret_error)
{
    while (channel->output->len > 0) {
        ssize_t sent = send(channel->fd, channel->output->data,
                            channel->output->len, MSG_NOSIGNAL);

        if (sent >= 0) {
            g_byte_array_remove_range(channel->output, 0, sent);
        } else if (errno == EAGAIN) {
            return TRUE;
        } else if (errno != EINTR) {
            *ret_error = closed_error(channel, errno);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean is_blank(const guint8 *bytes, gsize length)
{
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isspace(bytes[i])) {
            return FALSE;
        }
    }
    return TRUE;
}

/* The next line that is not blank, or NULL where it is not complete yet. */
static GBytes *take_line(TcsLineChannel *channel)
{
    GByteArray *input = channel->input;

    while (channel->scanned < input->len) {
        guint8 *line = input->data + channel->start;
        guint8 *end = memchr(input->data + channel->scanned, '\n',
                             input->len - channel->scanned);

        if (end == NULL) {
            channel->scanned = input->len;
            break;
        }
        channel->start = channel->scanned = end + 1 - input->data;
        if (!is_blank(line, end - line)) {
            return g_bytes_new(line, end - line);
        }
    }
    return NULL;
}

gboolean tcs_line_channel_has_unread(TcsLineChannel *channel)
{
    g_autoptr(GError) ignored = NULL; /* the next exchange finds it again */

    fill(channel, &ignored);
    return !is_blank(channel->input->data + channel->start,
                     channel->input->len - channel->start);
}

/* Ends the exchange; the channel may be gone afterwards. */
static void finish(TcsLineChannel *channel, GBytes *line, GError *error)
{
    GTask *task = g_steal_pointer(&channel->task);

    g_source_destroy(channel->source);
    g_clear_pointer(&channel->source, g_source_unref);
    if (error) {
        g_task_return_error(task, error);
    } else {
        g_task_return_pointer(task, line, (GDestroyNotify)g_bytes_unref);
    }
    g_object_unref(task);
}

/* One step of the exchange. At most one chunk, so that others get their turn.
 */
static void step(TcsLineChannel *channel, GIOCondition ready)
{
    GError *error = NULL;
    GBytes *line;

    if (g_get_monotonic_time() >= channel->deadline) {
        finish(channel, NULL, timeout_error(channel));
        return;
    }
    line = take_line(channel);
    if (line == NULL && (ready & (G_IO_IN | G_IO_HUP | G_IO_ERR)) &&
        fill(channel, &error)) {
        line = take_line(channel);
    }
    if (line && g_bytes_get_size(line) > TCS_LINE_LIMIT) {
        g_clear_pointer(&line, g_bytes_unref);
        error = limit_error(channel);
    } else if (line == NULL && error == NULL &&
               channel->input->len - channel->start > TCS_LINE_LIMIT) {
        error = limit_error(channel);
    }
    if (line == NULL && error == NULL) {
        flush(channel, &error);
    }

    if (line || error) {
        finish(channel, line, error);
    } else {
        g_source_modify_unix_fd(channel->source, channel->fd_tag,
                                G_IO_IN |
                                    (channel->output->len ? G_IO_OUT : 0));
        g_source_set_ready_time(channel->source, channel->deadline);
    }
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    TcsLineChannel *channel = ((ChannelSource *)source)->channel;

    step(channel, g_source_query_unix_fd(source, channel->fd_tag));
    return G_SOURCE_CONTINUE; /* finish() destroys it */
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

void tcs_line_channel_exchange_async(TcsLineChannel *channel, GBytes *request,
                                     const char *what, gint64 deadline,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data)
{
    g_assert(channel->task == NULL);

    channel->task = g_task_new(NULL, NULL, callback, user_data);
    g_task_set_task_data(channel->task, tcs_line_channel_ref(channel),
                         (GDestroyNotify)tcs_line_channel_unref);
    channel->deadline = deadline;
    g_free(channel->what);
    channel->what = g_strdup(what);
    if (request) {
        gsize length;
        const guint8 *bytes = g_bytes_get_data(request, &length);

        g_byte_array_append(channel->output, bytes, length);
    }

    channel->source = g_source_new(&source_funcs, sizeof(ChannelSource));
    ((ChannelSource *)channel->source)->channel = channel;
    channel->fd_tag =
        g_source_add_unix_fd(channel->source, channel->fd, G_IO_IN);
    /* The first step at once: to send, and for lines that are here already. */
    g_source_set_ready_time(channel->source, 0);
    g_source_attach(channel->source, g_task_get_context(channel->task));
}

GBytes *tcs_line_channel_exchange_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
