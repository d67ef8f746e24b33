/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads only while nothing waits to be written, so a peer that does not read
 * costs one chunk and one reply, and ten seconds. Knows no transport.
 */
#include "connection.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <glib-unix.h>

#include "rpc.h"

#define CHUNK          (8 * 1024)
#define SEND_TIMEOUT_S 10

struct tga_connection {
    int fd;
    tga_connection_ended *ended;
    void *data;
    struct tga_rpc *rpc;
    guint watch;
    guint send_timeout;
    uint8_t chunk[CHUNK];
    struct tga_stamp chunk_arrival;
    size_t chunk_at; /* what is before has been taken by rpc */
    size_t chunk_len;
    GString *reply;
    size_t reply_at; /* what is before has been sent */
};

enum progress { DONE, BLOCKED, ENDED };

static enum progress failed_io(void)
{
    return errno == EAGAIN || errno == EINTR ? BLOCKED : ENDED;
}

static enum progress send_reply(struct tga_connection *connection)
{
    GString *reply = connection->reply;

    while (connection->reply_at < reply->len) {
        ssize_t n = write(connection->fd, reply->str + connection->reply_at,
                          reply->len - connection->reply_at);

        if (n < 0) {
            return failed_io();
        }
        connection->reply_at += (size_t)n;
    }
    connection->reply_at = 0;
    g_string_truncate(reply, 0);
    return DONE;
}

static enum progress read_chunk(struct tga_connection *connection)
{
    ssize_t n = read(connection->fd, connection->chunk, CHUNK);

    if (n <= 0) {
        return n == 0 ? ENDED : failed_io();
    }
    connection->chunk_arrival = tga_stamp_arrival();
    connection->chunk_at = 0;
    connection->chunk_len = (size_t)n;
    return DONE;
}

/* Answers what has been read, until a reply cannot be sent at once. */
static enum progress answer_chunk(struct tga_connection *connection)
{
    enum progress progress = send_reply(connection);

    while (progress == DONE && connection->chunk_at < connection->chunk_len) {
        connection->chunk_at += tga_rpc_feed(
            connection->rpc, &connection->chunk_arrival,
            connection->chunk + connection->chunk_at,
            connection->chunk_len - connection->chunk_at, connection->reply);
        progress = send_reply(connection);
    }
    return progress;
}

static gboolean on_ready(int fd, GIOCondition condition, void *data);

static gboolean on_send_timeout(void *data)
{
    struct tga_connection *connection = data;

    connection->send_timeout = 0;
    connection->ended(connection, connection->data);
    return G_SOURCE_REMOVE;
}

static void watch(struct tga_connection *connection, bool sending)
{
    connection->watch = g_unix_fd_add(
        connection->fd, sending ? G_IO_OUT : G_IO_IN, on_ready, connection);
    if (sending && connection->send_timeout == 0) {
        connection->send_timeout =
            g_timeout_add_seconds(SEND_TIMEOUT_S, on_send_timeout, connection);
    } else if (!sending && connection->send_timeout != 0) {
        g_source_remove(connection->send_timeout);
        connection->send_timeout = 0;
    }
}

static gboolean on_ready(int fd, GIOCondition condition, void *data)
{
    struct tga_connection *connection = data;
    enum progress progress = DONE;

    connection->watch = 0;
    if (connection->reply->len == 0) {
        progress = read_chunk(connection);
    }
    if ((condition & (G_IO_HUP | G_IO_ERR | G_IO_NVAL)) &&
        (progress == BLOCKED || connection->reply->len > 0)) {
        progress = ENDED; /* or poll() would return at once for ever */
    }
    if (progress == DONE) {
        progress = answer_chunk(connection);
    }
    if (progress == ENDED) {
        connection->ended(connection, connection->data);
    } else {
        watch(connection, connection->reply->len > 0);
    }
    return G_SOURCE_REMOVE;
}

struct tga_connection *tga_connection_new(int fd, tga_connection_ended *ended,
                                          void *data)
{
    struct tga_connection *connection = g_new0(struct tga_connection, 1);

    connection->fd = fd;
    connection->ended = ended;
    connection->data = data;
    connection->rpc = tga_rpc_new();
    connection->reply = g_string_new(NULL);
    watch(connection, false);
    return connection;
}

void tga_connection_free(struct tga_connection *connection)
{
    if (connection->watch != 0) {
        g_source_remove(connection->watch);
    }
    if (connection->send_timeout != 0) {
        g_source_remove(connection->send_timeout);
    }
    tga_rpc_free(connection->rpc);
    g_string_free(connection->reply, TRUE);
    g_free(connection);
}

int tga_connection_fd(const struct tga_connection *connection)
{
    return connection->fd;
}
