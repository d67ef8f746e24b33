/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace-clock-agent: the command line, and the only file here that prints.
 * Knows neither clocks nor transports beyond their options.
 */
#include <locale.h>
#include <errno.h>
#include <stdio.h>

#include <glib.h>

#include "answer.h"
#include "clocks.h"
#include "config.h"
#include "error.h"
#include "reply-json.h"
#include "server.h"

struct options {
    gboolean once;
    gboolean version;
    char *clocks;
    char *samples;
    char *cpus;
    char **listen;
};

static const char description[] =
    "WHERE is one of (--listen may be given several times):\n"
    "  vsock[:PORT]     the hypervisor, through a vsock device; port 18230\n"
    "  tcp:HOST:PORT    an address of this machine; [HOST]:PORT for IPv6\n"
    "  unix:PATH        a socket that only its owner may use\n"
    "  serial:PATH      a virtio-serial port or a terminal line\n"
    "\n"
    "Each serves one JSON object a line, as qemu-ga does: guest-sync,\n"
    "guest-sync-delimited, guest-ping, guest-info, guest-get-trace-clocks,\n"
    "guest-trace-clock-probe.\n"
    "\n"
    "Limits: 16 clients (a further one takes the place of the one that has\n"
    "asked nothing for the longest time, from 10 s on, else it is refused);\n"
    "64 KiB a request; half of one CPU for all requests together, after a\n"
    "second at full speed; 10 s to take a reply.\n"
    "\n"
    "Examples:\n"
    "  trace-clock-agent --once\n"
    "  trace-clock-agent --once --clocks mono,boot --samples 100 --cpus 0,1\n"
    "  trace-clock-agent --listen vsock\n"
    "  trace-clock-agent --listen "
    "serial:/dev/virtio-ports/org.trace-clock-sync.0\n"
    "\n"
    "Exit status: 0 done; 1 internal error; 2 usage; 3 cannot listen; 5 cannot\n"
    "write to standard output.";

static bool usage_error(GError **error, const char *text)
{
    g_set_error_literal(error, TGA_ERROR, TGA_ERROR_USAGE, text);
    return false;
}

/* "a,b" as an array of strings, or of integers. */
static json_object *list_to_json(const char *text, bool integers,
                                 GError **error)
{
    json_object *list = json_object_new_array();
    char **words = g_strsplit(text, ",", -1);

    for (char **word = words; *word != NULL && list != NULL; word++) {
        gint64 number;

        if (!integers) {
            json_object_array_add(list, json_object_new_string(*word));
        } else if (g_ascii_string_to_signed(*word, 10, G_MININT64, G_MAXINT64,
                                            &number, NULL)) {
            json_object_array_add(list, json_object_new_int64(number));
        } else {
            g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                        "'%s' is not an integer", *word);
            json_object_put(list);
            list = NULL;
        }
    }
    g_strfreev(words);
    return list;
}

static bool add_option(json_object *arguments, const char *name,
                       const char *text, bool integers, GError **error)
{
    json_object *list;

    if (text == NULL) {
        return true;
    }
    list = list_to_json(text, integers, error);
    if (list == NULL) {
        g_prefix_error(error, "--%s: ", name);
        return false;
    }
    json_object_object_add(arguments, name, list);
    return true;
}

/* The options as the arguments of the command: checked in one place only. */
static json_object *options_to_json(const struct options *options,
                                    GError **error)
{
    json_object *arguments = json_object_new_object();
    gint64 samples;
    bool good =
        add_option(arguments, "clocks", options->clocks, false, error) &&
        add_option(arguments, "cpus", options->cpus, true, error);

    if (good && options->samples != NULL) {
        good = g_ascii_string_to_signed(options->samples, 10, G_MININT64,
                                        G_MAXINT64, &samples, NULL) ||
               usage_error(error, "--samples: not an integer");
        if (good) {
            json_object_object_add(arguments, "samples",
                                   json_object_new_int64(samples));
        }
    }
    if (good) {
        return arguments;
    }
    json_object_put(arguments);
    return NULL;
}

static bool print_line(const char *text, GError **error)
{
    if (puts(text) < 0 || fflush(stdout) != 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_FILE,
                    "cannot write to standard output: %s", g_strerror(errno));
        return false;
    }
    return true;
}

/*
 * A name that no agent knows is a slip of who typed it. In a request it is no
 * error: the asker may know clocks that came after this agent.
 */
static bool check_names(const char *clocks, GError **error)
{
    char **names = clocks != NULL ? g_strsplit(clocks, ",", -1) : NULL;
    bool good = true;

    for (char **name = names; good && name != NULL && *name != NULL; name++) {
        good = tga_clock_is_known(*name);
        if (!good) {
            char *known = tga_clocks_known();

            g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                        "--clocks: no clock is named '%s'; there are %s", *name,
                        known);
            g_free(known);
        }
    }
    g_strfreev(names);
    return good;
}

static bool run_once(const struct options *options, GError **error)
{
    json_object *arguments = options_to_json(options, error);
    json_object *reply = NULL;
    bool good = false;

    if (arguments != NULL) {
        reply = tga_answer(arguments, error);
    }
    /* After what any request is checked for. */
    if (reply != NULL && check_names(options->clocks, error)) {
        good = print_line(json_object_to_json_string_ext(reply, TGA_JSON_FLAGS),
                          error);
    }
    json_object_put(reply);
    json_object_put(arguments);
    tga_clocks_release();
    return good;
}

static bool run_listen(char **where, GError **error)
{
    struct tga_server *server = tga_server_new();
    bool good = true;

    for (; *where != NULL && good; where++) {
        good = tga_server_listen(server, *where, error);
        if (good) {
            g_printerr("trace-clock-agent: listening on %s\n", *where);
        }
    }
    if (good) {
        tga_server_run(server);
    }
    tga_server_free(server);
    tga_clocks_release();
    return good;
}

static bool run(const struct options *options, GError **error)
{
    bool has_detail = options->clocks != NULL || options->samples != NULL ||
                      options->cpus != NULL;

    if (options->version) {
        return print_line("trace-clock-agent " TCS_VERSION, error);
    }
    if (options->once && options->listen == NULL) {
        return run_once(options, error);
    }
    if (options->listen != NULL && !options->once && !has_detail) {
        return run_listen(options->listen, error);
    }
    return usage_error(
        error, has_detail && !options->once
                   ? "--clocks, --samples and --cpus go with --once"
                   : "give either --once or --listen; --help says more");
}

static bool parse(struct options *options, int *argc, char ***argv,
                  GError **error)
{
    const GOptionEntry entries[] = {
        { "once", 0, 0, G_OPTION_ARG_NONE, &options->once,
          "Read the clocks, print the reply as JSON, and exit", NULL },
        { "clocks", 0, 0, G_OPTION_ARG_STRING, &options->clocks,
          "Read these clocks; default: all", "NAME,..." },
        { "samples", 0, 0, G_OPTION_ARG_STRING, &options->samples,
          "Take the tightest of so many readings; default: 32", "N" },
        { "cpus", 0, 0, G_OPTION_ARG_STRING, &options->cpus,
          "Read on each of these CPUs; default: where the agent runs",
          "N,..." },
        { "listen", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->listen,
          "Answer requests until SIGTERM", "WHERE" },
        { "version", 0, 0, G_OPTION_ARG_NONE, &options->version,
          "Print the version and exit", NULL },
        { 0 },
    };
    GOptionContext *context =
        g_option_context_new("- read this guest's trace clocks");
    bool good;

    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, entries, NULL);
    good = g_option_context_parse(context, argc, argv, error);
    g_option_context_free(context);
    if (good && *argc > 1) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "unexpected argument '%s'", (*argv)[1]);
        good = false;
    }
    return good;
}

int main(int argc, char **argv)
{
    struct options options = { 0 };
    GError *error = NULL;
    int status = 0;

    setlocale(LC_CTYPE, ""); /* for what --help prints */
    if (!parse(&options, &argc, &argv, &error) || !run(&options, &error)) {
        g_printerr("trace-clock-agent: %s\n", error->message);
        status = error->domain == TGA_ERROR ? error->code : TGA_ERROR_USAGE;
        g_error_free(error);
    }
    g_strfreev(options.listen);
    g_free(options.clocks);
    g_free(options.samples);
    g_free(options.cpus);
    return status;
}
