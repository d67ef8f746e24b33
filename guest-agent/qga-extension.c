/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into a stock qemu-ga, adds the agent's two commands to its own.
 * In any other process it does nothing. Knows of qemu-ga what qga-symbols.h
 * declares; requests and replies cross the border as text.
 *
 * qemu-ga has no moment for extensions, so two GLib functions that it calls
 * while starting are taken over and passed on. g_log_set_default_handler() is
 * called between filling the command table and applying the administrator's
 * lists of blocked and allowed commands, which thus hold for ours too.
 * g_main_loop_new() comes later and is there in case the first goes away.
 *
 * While file systems are frozen qemu-ga allows only what its own fixed list
 * names; ours is refused then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "answer.h"
#include "probe.h"
#include "qga-symbols.h"
#include "reply-json.h"
#include "rpc.h"

#define EXPORT __attribute__((visibility("default")))

#define fail(errp, ...) \
    error_setg_internal(errp, __FILE__, __LINE__, __func__, __VA_ARGS__)

/* qemu-ga's arguments as a json-c object; NULL where they are out of bounds. */
static json_object *arguments_to_json(const QDict *args)
{
    GString *text = qobject_to_json((const QObject *)args);
    struct json_tokener *tokener = json_tokener_new_ex(TGA_RPC_DEPTH_MAX);
    json_object *arguments = NULL;

    if (text->len <= TGA_RPC_LINE_MAX) {
        arguments = json_tokener_parse_ex(tokener, text->str, (int)text->len);
    }
    json_tokener_free(tokener);
    g_string_free(text, TRUE);
    return arguments;
}

typedef json_object *answer_function(json_object *arguments,
                                     const struct tga_stamp *arrival,
                                     GError **error);

static void run_command(answer_function *answer, QDict *args, QObject **ret,
                        Error **errp)
{
    /* Nothing here learns earlier that a request has come. */
    struct tga_stamp arrival = tga_stamp_arrival();
    json_object *arguments = arguments_to_json(args);
    json_object *reply;
    GError *error = NULL;

    if (arguments == NULL) {
        fail(errp, "the arguments are too long or too deeply nested");
        return;
    }
    reply = answer(arguments, &arrival, &error);
    if (reply != NULL) {
        *ret = qobject_from_json(
            json_object_to_json_string_ext(reply, TGA_JSON_FLAGS), errp);
    } else {
        fail(errp, "%s", error->message);
        g_error_free(error);
    }
    json_object_put(reply);
    json_object_put(arguments);
}

static json_object *answer_read(json_object *arguments,
                                const struct tga_stamp *arrival, GError **error)
{
    return tga_answer(arguments, error);
}

static void run_read(QDict *args, QObject **ret, Error **errp)
{
    run_command(answer_read, args, ret, errp);
}

static void run_probe(QDict *args, QObject **ret, Error **errp)
{
    run_command(tga_probe, args, ret, errp);
}

static const struct {
    const char *name;
    QmpCommandFunc *run;
} commands[] = {
    { "guest-get-trace-clocks", run_read },
    { "guest-trace-clock-probe", run_probe },
};

static bool is_qemu_ga(void)
{
    return &ga_commands != NULL ||
           strcmp(program_invocation_short_name, "qemu-ga") == 0;
}

static const char *missing_symbol(void)
{
    return &ga_commands == NULL           ? "ga_commands"
           : qmp_register_command == NULL ? "qmp_register_command"
           : qmp_find_command == NULL     ? "qmp_find_command"
           : qobject_to_json == NULL      ? "qobject_to_json"
           : qobject_from_json == NULL    ? "qobject_from_json"
           : error_setg_internal == NULL  ? "error_setg_internal"
                                          : NULL;
}

static void add_commands(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        /* Else it is built in. */
        if (qmp_find_command(&ga_commands, commands[i].name) == NULL) {
            qmp_register_command(&ga_commands, commands[i].name,
                                 commands[i].run, 0, 0);
        }
    }
}

/* Adds the commands as soon as qemu-ga has filled its table, once. */
static void extend(bool last_chance)
{
    static bool done;
    const char *missing;

    if (done || !is_qemu_ga()) {
        return;
    }
    missing = missing_symbol();
    if (missing != NULL) {
        done = true;
        fprintf(stderr,
                "trace-clock-sync: this qemu-ga does not export '%s', so it "
                "goes on without %s; use trace-clock-agent instead\n",
                missing, commands[0].name);
    } else if (last_chance ||
               qmp_find_command(&ga_commands, "guest-ping") != NULL) {
        done = true;
        add_commands();
    }
}

EXPORT GLogFunc g_log_set_default_handler(GLogFunc function, void *data)
{
    GLogFunc (*next)(GLogFunc, void *) =
        (GLogFunc(*)(GLogFunc, void *))dlsym(RTLD_NEXT, __func__);

    extend(false);
    return next(function, data);
}

EXPORT GMainLoop *g_main_loop_new(GMainContext *context, gboolean is_running)
{
    GMainLoop *(*next)(GMainContext *, gboolean) =
        (GMainLoop * (*)(GMainContext *, gboolean)) dlsym(RTLD_NEXT, __func__);

    extend(true);
    return next(context, is_running);
}

/*
 * What guest-exec starts inherits the environment, and has no use for us.
 * Other preloaded libraries stay.
 */
static __attribute__((constructor)) void leave_environment(void)
{
    const char *preload = g_getenv("LD_PRELOAD");
    Dl_info self;
    char *own_name;
    char **words;
    GString *rest;

    if (!is_qemu_ga() || preload == NULL ||
        dladdr((void *)leave_environment, &self) == 0) {
        return;
    }
    own_name = g_path_get_basename(self.dli_fname);
    words = g_strsplit_set(preload, " :", -1);
    rest = g_string_new(NULL);
    for (char **word = words; *word != NULL; word++) {
        char *name = g_path_get_basename(*word);

        if (**word != '\0' && strcmp(name, own_name) != 0) {
            g_string_append_printf(rest, "%s%s", rest->len > 0 ? ":" : "",
                                   *word);
        }
        g_free(name);
    }
    if (rest->len > 0) {
        g_setenv("LD_PRELOAD", rest->str, TRUE);
    } else {
        g_unsetenv("LD_PRELOAD");
    }
    g_string_free(rest, TRUE);
    g_strfreev(words);
    g_free(own_name);
}
