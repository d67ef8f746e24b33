/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the collector's connections from a test: connects, makes the calls of
 * its command line on one connection, prints each reply or error. Its exit
 * status is the first error's, as trace-clock-sync's would be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/agent.h"
#include "collector/error.h"
#include "collector/json-util.h"
#include "collector/qmp.h"

typedef struct {
    GMainLoop *loop;
    gboolean agent;
    TcsRpc *rpc;
    char **calls; /* COMMAND [ARGUMENTS] COMMAND [ARGUMENTS]... */
    guint timeout_ms;
    int pause_ms; /* between one call's end and the next; -1: queue them all */
    guint outstanding;
    int status;
} Probe;

static void report(Probe *probe, const GError *error)
{
    if (probe->status == 0) {
        probe->status = tcs_error_exit_status(error);
    }
    printf("error %d %s\n", error->code, error->message);
}

static gboolean next_call(gpointer data);

static void on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    Probe *probe = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(json_object) reply =
        tcs_rpc_call_finish(probe->rpc, result, &error);

    if (reply) {
        printf("reply %s\n",
               json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN));
    } else {
        report(probe, error);
    }
    fflush(stdout);
    probe->outstanding--;
    if (*probe->calls && probe->pause_ms >= 0) {
        g_timeout_add(probe->pause_ms, next_call, probe);
    } else if (*probe->calls == NULL && probe->outstanding == 0) {
        g_main_loop_quit(probe->loop);
    }
}

static gboolean next_call(gpointer data)
{
    Probe *probe = data;
    const char *command = *probe->calls++;
    json_object *arguments = NULL;

    if (*probe->calls && **probe->calls == '{') {
        arguments = json_tokener_parse(*probe->calls++);
    }
    probe->outstanding++;
    tcs_rpc_call_async(probe->rpc, command, arguments, probe->timeout_ms,
                       on_reply, probe);
    return G_SOURCE_REMOVE;
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    Probe *probe = data;
    g_autoptr(GError) error = NULL;

    probe->rpc = probe->agent ? tcs_agent_connect_finish(result, &error)
                              : tcs_qmp_connect_finish(result, &error);
    if (probe->rpc == NULL) {
        report(probe, error);
        g_main_loop_quit(probe->loop);
        return;
    }
    do {
        next_call(probe);
    } while (*probe->calls && probe->pause_ms < 0);
}

int main(int argc, char **argv)
{
    int timeout_ms = 5000;
    Probe probe = { .pause_ms = -1 };
    const GOptionEntry entries[] = {
        { "timeout-ms", 0, 0, G_OPTION_ARG_INT, &timeout_ms,
          "for connecting, and for each call", "N" },
        { "pause-ms", 0, 0, G_OPTION_ARG_INT, &probe.pause_ms,
          "make each call this long after the one before", "N" },
        { 0 },
    };
    g_autoptr(GOptionContext) options = g_option_context_new(
        "(qmp|agent) ADDRESS COMMAND [JSON-ARGS] [COMMAND...]");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(options, entries, NULL);
    if (!g_option_context_parse(options, &argc, &argv, &error) || argc < 4) {
        fprintf(stderr, "rpc-probe: %s\n",
                error ? error->message : "see --help");
        return TCS_ERROR_USAGE;
    }
    probe.loop = g_main_loop_new(NULL, FALSE);
    probe.agent = strcmp(argv[1], "agent") == 0;
    probe.calls = argv + 3;
    probe.timeout_ms = timeout_ms;
    if (probe.agent) {
        tcs_agent_connect_async(argv[2], timeout_ms, on_connected, &probe);
    } else {
        tcs_qmp_connect_async(argv[2], timeout_ms, on_connected, &probe);
    }
    g_main_loop_run(probe.loop);

    if (probe.rpc) {
        const char *route = tcs_agent_route(probe.rpc);

        printf("route %s\n", route ? route : "none");
        tcs_rpc_unref(probe.rpc);
    }
    g_main_loop_unref(probe.loop);
    return probe.status;
}
