/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listeners, the connections they bring, and the signals that end it all.
 * Knows neither addresses nor requests.
 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "connection.h"
#include "error.h"
#include "rpc.h"
#include "transport.h"

#define CLIENTS_MAX    16
#define ACCEPT_PAUSE_S 1
/* Who has asked nothing for so long makes room, where all places are taken. */
#define QUIET_US (10 * G_USEC_PER_SEC)

static const struct tga_transport *const transports[] = {
    &tga_transport_vsock,
    &tga_transport_tcp,
    &tga_transport_unix,
    &tga_transport_serial,
};

struct owned {
    void *data;
    GDestroyNotify destroy;
};

struct tga_server {
    GMainLoop *loop;
    GArray *owned;      /* struct owned */
    GPtrArray *clients; /* struct tga_connection */
};

struct listener {
    struct tga_server *server;
    int fd;
    guint source;
};

static void end_client(struct tga_connection *connection, void *data)
{
    struct tga_server *server = data;
    int fd = tga_connection_fd(connection);

    g_ptr_array_remove_fast(server->clients, connection);
    tga_connection_free(connection);
    close(fd);
}

/* Ends the client that has been quiet longest. FALSE: none has long enough. */
static gboolean make_room(struct tga_server *server)
{
    struct tga_connection *quietest = NULL;

    for (guint i = 0; i < server->clients->len; i++) {
        struct tga_connection *client = g_ptr_array_index(server->clients, i);

        if (!quietest || tga_connection_quiet_us(client) >
                             tga_connection_quiet_us(quietest)) {
            quietest = client;
        }
    }
    if (!quietest || tga_connection_quiet_us(quietest) < QUIET_US) {
        return FALSE;
    }
    end_client(quietest, server);
    return TRUE;
}

static void refuse_client(int fd)
{
    GString *reply = g_string_new(NULL);

    tga_rpc_append_error(reply, "the agent serves as many clients as it can; "
                                "try again when one has left");
    /* A fresh socket has room for it; where not, closing says it too. */
    (void)!send(fd, reply->str, reply->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    close(fd);
    g_string_free(reply, TRUE);
}

static gboolean on_connect(int fd, GIOCondition condition, void *data);

static gboolean on_pause_over(void *data)
{
    struct listener *listener = data;

    listener->source =
        g_unix_fd_add(listener->fd, G_IO_IN, on_connect, listener);
    return G_SOURCE_REMOVE;
}

static gboolean on_connect(int fd, GIOCondition condition, void *data)
{
    struct listener *listener = data;
    struct tga_server *server = listener->server;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client >= 0 &&
        (server->clients->len < CLIENTS_MAX || make_room(server))) {
        g_ptr_array_add(server->clients,
                        tga_connection_new(client, end_client, server));
    } else if (client >= 0) {
        refuse_client(client);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
               errno == ENOMEM) {
        /* The client stays in the queue and would wake us at once. */
        listener->source =
            g_timeout_add_seconds(ACCEPT_PAUSE_S, on_pause_over, listener);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void free_listener(void *data)
{
    struct listener *listener = data;

    g_source_remove(listener->source);
    close(listener->fd);
    g_free(listener);
}

void tga_server_add_listener(struct tga_server *server, int fd)
{
    struct listener *listener = g_new0(struct listener, 1);

    listener->server = server;
    listener->fd = fd;
    listener->source = g_unix_fd_add(fd, G_IO_IN, on_connect, listener);
    tga_server_own(server, listener, free_listener);
}

void tga_server_own(struct tga_server *server, void *data,
                    GDestroyNotify destroy)
{
    struct owned owned = { data, destroy };

    g_array_append_val(server->owned, owned);
}

struct tga_server *tga_server_new(void)
{
    struct tga_server *server = g_new0(struct tga_server, 1);

    server->loop = g_main_loop_new(NULL, FALSE);
    server->owned = g_array_new(FALSE, FALSE, sizeof(struct owned));
    server->clients = g_ptr_array_new();
    return server;
}

bool tga_server_listen(struct tga_server *server, const char *where,
                       GError **error)
{
    size_t len = strcspn(where, ":");

    for (size_t i = 0; i < G_N_ELEMENTS(transports); i++) {
        const struct tga_transport *transport = transports[i];

        if (strlen(transport->name) == len &&
            strncmp(transport->name, where, len) == 0) {
            return transport->listen(
                server, where[len] == ':' ? where + len + 1 : NULL, error);
        }
    }
    g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                "cannot listen on '%s': give vsock[:PORT], tcp:HOST:PORT, "
                "unix:PATH or serial:PATH",
                where);
    return false;
}

static gboolean on_signal(void *data)
{
    g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

void tga_server_run(struct tga_server *server)
{
    guint sigterm = g_unix_signal_add(SIGTERM, on_signal, server->loop);
    guint sigint = g_unix_signal_add(SIGINT, on_signal, server->loop);

    signal(SIGPIPE, SIG_IGN);
    g_main_loop_run(server->loop);
    g_source_remove(sigterm);
    g_source_remove(sigint);
}

void tga_server_free(struct tga_server *server)
{
    while (server->clients->len > 0) {
        end_client(g_ptr_array_index(server->clients, 0), server);
    }
    for (guint i = 0; i < server->owned->len; i++) {
        struct owned *owned = &g_array_index(server->owned, struct owned, i);

        owned->destroy(owned->data);
    }
    g_ptr_array_unref(server->clients);
    g_array_unref(server->owned);
    g_main_loop_unref(server->loop);
    g_free(server);
}
