/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that a peer may say on a connection: lines, events, replies, and an
 * agent's synchronisation. The first byte chooses QMP (even) or agent (odd);
 * the rest is what comes, with @ID@ for the id that was asked with.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/agent-sync.h"
#include "collector/error.h"
#include "collector/json-rpc.h"
#include "collector/json-util.h"
#include "fuzz.h"

#define CALLS 3

/* Nothing here waits: the peer has said all and has closed. */
#define TIMEOUT_MS 10000

typedef struct {
    TcsRpc *rpc;
    guint done;
    gboolean is_ready;
    GError *error;
} Peer;

static void check_error(const GError *error)
{
    g_assert(error != NULL && error->domain == TCS_ERROR);
    g_assert(error->code != TCS_ERROR_TIMEOUT);
    g_assert(g_utf8_validate(error->message, -1, NULL));
    for (const char *at = error->message; *at; at++) {
        g_assert((guchar)*at >= 0x20 && *at != 0x7f);
    }
}

static void on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    Peer *peer = data;
    GError *error = NULL;
    json_object *value = tcs_rpc_call_finish(peer->rpc, result, &error);

    g_assert(!value == !!error);
    if (error) {
        check_error(error);
        g_error_free(error);
    }
    json_object_put(value);
    peer->done++;
}

static void on_sync(GObject *source, GAsyncResult *result, gpointer data)
{
    Peer *peer = data;

    if (!tcs_agent_sync_finish(result, &peer->error)) {
        check_error(peer->error);
    }
    peer->is_ready = TRUE;
}

/* The id in what was asked, as its text. */
static char *asked_id(int fd)
{
    char request[4096];
    ssize_t n = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);
    char *begin;

    if (n <= 0) {
        return g_strdup("");
    }
    request[n] = '\0';
    begin = strstr(request, "\"id\":");
    if (!begin) {
        return g_strdup("");
    }
    begin += strlen("\"id\":");
    begin += *begin == '"';
    return g_strndup(begin, strcspn(begin, "\"}"));
}

/* What the peer says from here on. */
static void say(int fd, const char *text, gsize size)
{
    g_autofree char *id = asked_id(fd);
    g_autoptr(GString) said = g_string_new_len(text, (gssize)size);
    const char *at;

    while ((at = memmem(said->str, said->len, "@ID@", 4))) {
        gssize where = at - said->str;

        g_string_erase(said, where, 4);
        g_string_insert(said, where, id);
    }
    /* Who has read enough may have closed. */
    while (send(fd, said->str, said->len, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
    shutdown(fd, SHUT_WR);
}

static void call(Peer *peer, guint n)
{
    for (guint i = 0; i < n; i++) {
        tcs_rpc_call_async(peer->rpc, "query-trace-clock-sync", NULL,
                           TIMEOUT_MS, on_reply, peer);
    }
}

static void iterate(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void ask_monitor(TcsLineChannel *channel, int fd, const char *text,
                        gsize size)
{
    Peer peer = { .rpc = tcs_json_rpc_new(channel, TCS_JSON_RPC_QMP) };

    call(&peer, CALLS);
    g_main_context_iteration(NULL, FALSE);
    say(fd, text, size);
    iterate();
    g_assert(peer.done == CALLS);
    tcs_rpc_unref(peer.rpc);
}

static void ask_agent(TcsLineChannel *channel, int fd, const char *text,
                      gsize size)
{
    Peer peer = { .rpc = tcs_json_rpc_new(channel, TCS_JSON_RPC_AGENT) };

    tcs_agent_sync_async(
        channel, g_get_monotonic_time() + TIMEOUT_MS * G_TIME_SPAN_MILLISECOND,
        on_sync, &peer);
    g_main_context_iteration(NULL, FALSE);
    say(fd, text, size);
    iterate();
    g_assert(peer.is_ready);
    if (!peer.error) {
        call(&peer, CALLS);
        iterate();
        g_assert(peer.done == CALLS);
    }
    g_clear_error(&peer.error);
    tcs_rpc_unref(peer.rpc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TcsLineChannel *channel;
    int fds[2];

    if (size == 0) {
        return 0;
    }
    g_random_set_seed(1);
    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                        fds) == 0);
    channel = tcs_line_channel_new(fds[0], "peer");
    if (data[0] % 2 == 0) {
        ask_monitor(channel, fds[1], (const char *)data + 1, size - 1);
    } else {
        ask_agent(channel, fds[1], (const char *)data + 1, size - 1);
    }
    tcs_line_channel_unref(channel);
    close(fds[1]);
    return 0;
}
