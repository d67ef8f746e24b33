/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync plugin`: QEMU's component in a libvirt domain's definition.
 */
#include "verb.h"

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "domain.h"
#include "domain-xml.h"
#include "error.h"
#include "libvirt-define.h"
#include "target-options.h"
#include "worker.h"

#define TIMEOUT_MS 10000

typedef struct {
    TcsPluginAction action;
    char *domain;
    char *uri;
    char *plugin;
} Options;

static void options_free(gpointer data)
{
    Options *options = data;

    g_free(options->domain);
    g_free(options->uri);
    g_free(options->plugin);
    g_free(options);
}

static gboolean parse_action(const char *word, TcsPluginAction *ret)
{
    static const char *const words[] = { [TCS_PLUGIN_SHOW] = "show",
                                         [TCS_PLUGIN_ADD] = "add",
                                         [TCS_PLUGIN_REMOVE] = "remove" };

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (word && strcmp(word, words[i]) == 0) {
            *ret = (TcsPluginAction)i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean check(Options *options, const char *action, GError **error)
{
    g_autofree char *path = NULL;

    if (!parse_action(action, &options->action) || !options->domain) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "give what to do and the domain: plugin add|remove|show "
                    "--domain NAME");
        return FALSE;
    }
    if (!options->plugin) {
        options->plugin = g_strdup(TCS_PLUGIN_PATH);
    }
    path = g_strndup(options->plugin, strcspn(options->plugin, ","));
    if (options->action == TCS_PLUGIN_ADD &&
        (!g_path_is_absolute(path) ||
         !g_str_has_suffix(path, "/" TCS_PLUGIN_FILE))) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--plugin %s: give the whole path of " TCS_PLUGIN_FILE
                    ", on the domain's host; the file has this name",
                    path);
        return FALSE;
    }
    /* On another host it cannot be looked at. */
    if (options->action == TCS_PLUGIN_ADD && !options->uri &&
        !g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s is not there, and QEMU would not start; install it "
                    "('make install'), or name it with --plugin",
                    path);
        return FALSE;
    }
    return TRUE;
}

static gboolean parse_options(int argc, char **argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "domain", 0, 0, G_OPTION_ARG_STRING, &ret->domain,
          "the libvirt domain", "NAME" },
        { "connect", 0, 0, G_OPTION_ARG_STRING, &ret->uri,
          "it is there (default: libvirt's own)", "URI" },
        { "plugin", 0, 0, G_OPTION_ARG_FILENAME, &ret->plugin,
          "the component (default " TCS_PLUGIN_PATH ")", "PATH[,OPTION...]" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("add|remove|show --domain NAME [--connect URI]");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Adds QEMU's component to a libvirt domain, or takes it out.");
    g_option_context_set_description(
        context,
        "Only <qemu:commandline> in the domain's persistent definition is\n"
        "changed. QEMU takes it over when the domain is shut down and started\n"
        "again. Done twice it does nothing more.\n\n"
        "Example:\n"
        "  trace-clock-sync plugin add --domain web1\n");
    return tcs_options_parse_or_advise(context, &argc, &argv, 1,
                                       "the domain is given with --domain; ",
                                       error) &&
           check(ret, argv[1], error);
}

/* In a worker's thread. */
static gpointer work(gpointer data, GError **error)
{
    const Options *options = data;

    return tcs_libvirt_change_plugin(options->uri, options->domain,
                                     options->action, options->plugin, error);
}

static void tell(const char *name, gboolean is_asked,
                 const TcsPluginState *state)
{
    if (!state->changed) {
        printf("%s: %s%s%s\n", name,
               state->after ? "has -plugin " : "has no -plugin of ours",
               state->after ? state->after : "",
               is_asked ? "" : "; nothing changed");
        return;
    }
    printf("%s: %s%s%s\n", name,
           state->after ? "added -plugin " : "removed -plugin ",
           state->after ? state->after : state->before,
           state->is_active ? "; it runs: shut it down and start it again (a "
                              "reboot inside the guest is not enough)"
                            : "");
}

static void state_free(gpointer state)
{
    tcs_plugin_state_free(state);
}

static int run(int argc, char **argv, GError **error)
{
    Options *options = g_new0(Options, 1);
    g_autoptr(TcsPluginState) state = NULL;
    g_autofree char *name = NULL;
    gboolean is_asked;
    GError *failure = tcs_domain_not_built_error();

    if (failure || !parse_options(argc, argv, options, &failure)) {
        int status = tcs_error_exit_status(failure);

        options_free(options);
        g_propagate_error(error, failure);
        return status;
    }
    name = g_strdup(options->domain);
    is_asked = options->action == TCS_PLUGIN_SHOW;
    state = tcs_worker_run_and_wait(work, options, options_free, state_free,
                                    TIMEOUT_MS, &failure);
    if (!state) {
        failure = tcs_domain_explain_timeout(
            name, "the change of its definition", failure);
        g_propagate_error(error, failure);
        return tcs_error_exit_status(failure);
    }
    tell(name, is_asked, state);
    return 0;
}

const TcsVerb tcs_verb_plugin = {
    .name = "plugin",
    .summary = "add QEMU's component to a libvirt domain, or take it out",
    .run = run,
};
