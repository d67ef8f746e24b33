/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads only while nothing waits to be written, so a peer that does not read
 * costs one chunk and one reply, and ten seconds. All connections together may
 * take half of a CPU. Knows no transport.
 */
#include "connection.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <glib-unix.h>

#include "budget.h"
#include "rpc.h"

#define CHUNK          (8 * 1024)
#define SEND_TIMEOUT_S 10

struct tga_connection {
    int fd;
    tga_connection_ended *ended;
    void *data;
    struct tga_rpc *rpc;
    guint watch;
    guint pause; /* instead of it, while the budget is spent */
    guint send_timeout;
    gint64 last_request_us;
    uint8_t chunk[CHUNK];
    struct tga_stamp chunk_arrival;
    size_t chunk_at; /* what is before has been taken by rpc */
    size_t chunk_len;
    GString *reply;
    size_t reply_at; /* what is before has been sent */
};

enum progress { DONE, BLOCKED, PAUSED, ENDED };

/* Of all connections. */
static struct tga_budget budget;
static gint64 charged_us; /* of the thread's CPU time, what was before */

static gint64 cpu_time_us(void)
{
    struct timespec used = { 0 };

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * G_USEC_PER_SEC + used.tv_nsec / 1000;
}

/* Reading and sending cost as well as the answer does. */
static void charge(void)
{
    gint64 used_us = cpu_time_us();

    tga_budget_spend(&budget, g_get_monotonic_time(), used_us - charged_us);
    charged_us = used_us;
}

/* Milliseconds, upward, until the next request may be answered. */
static guint pause_ms(void)
{
    gint64 us = tga_budget_wait_us(&budget, g_get_monotonic_time());

    return (guint)((us + 999) / 1000);
}

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

/* Takes bytes up to the end of a request and makes its reply. */
static void answer_request(struct tga_connection *connection)
{
    connection->chunk_at += tga_rpc_feed(
        connection->rpc, &connection->chunk_arrival,
        connection->chunk + connection->chunk_at,
        connection->chunk_len - connection->chunk_at, connection->reply);
    if (connection->reply->len > 0) {
        connection->last_request_us = g_get_monotonic_time();
    }
}

/*
 * Answers what has been read, until a reply cannot be sent at once or the
 * budget is spent.
 */
static enum progress answer_chunk(struct tga_connection *connection)
{
    enum progress progress = send_reply(connection);

    while (progress == DONE && connection->chunk_at < connection->chunk_len) {
        if (pause_ms() > 0) {
            return PAUSED;
        }
        answer_request(connection);
        progress = send_reply(connection);
        charge();
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

static gboolean on_pause_over(void *data)
{
    struct tga_connection *connection = data;

    connection->pause = 0;
    on_ready(connection->fd, 0, connection);
    return G_SOURCE_REMOVE;
}

static void watch(struct tga_connection *connection, bool sending)
{
    if (!sending && connection->chunk_at < connection->chunk_len) {
        connection->pause =
            g_timeout_add(MAX(pause_ms(), 1), on_pause_over, connection);
    } else {
        connection->watch = g_unix_fd_add(
            connection->fd, sending ? G_IO_OUT : G_IO_IN, on_ready, connection);
    }
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
    charged_us = cpu_time_us();
    if (connection->reply->len == 0 &&
        connection->chunk_at == connection->chunk_len) {
        progress = read_chunk(connection);
    }
    if ((condition & (G_IO_HUP | G_IO_ERR | G_IO_NVAL)) &&
        (progress == BLOCKED || connection->reply->len > 0)) {
        progress = ENDED; /* or poll() would return at once for ever */
    }
    if (progress == DONE) {
        progress = answer_chunk(connection);
    }
    charge();
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
    connection->last_request_us = g_get_monotonic_time();
    watch(connection, false);
    return connection;
}

void tga_connection_free(struct tga_connection *connection)
{
    if (connection->watch != 0) {
        g_source_remove(connection->watch);
    }
    if (connection->pause != 0) {
        g_source_remove(connection->pause);
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

gint64 tga_connection_quiet_us(const struct tga_connection *connection)
{
    return g_get_monotonic_time() - connection->last_request_us;
}
