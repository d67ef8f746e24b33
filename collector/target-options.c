/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See target-options.h.
 */
#include "target-options.h"

#include <sys/stat.h>

#include "address.h"
#include "error.h"

#define SAMPLES_DEFAULT   32
#define SAMPLES_MAX       1000
#define TIMEOUT_S_DEFAULT 5
#define TIMEOUT_S_MAX     3600

void tcs_target_options_add(TcsTargetOptions *target, GOptionContext *context)
{
    const GOptionEntry entries[] = {
        { "qmp", 0, 0, G_OPTION_ARG_FILENAME, &target->qmp, "QEMU's monitor",
          "PATH|HOST:PORT" },
        { "agent", 0, 0, G_OPTION_ARG_FILENAME, &target->agent,
          "the guest's agent: qga:PATH, vsock:CID[:PORT], tcp:HOST:PORT or "
          "unix:PATH",
          "ADDRESS" },
        { "method", 0, 0, G_OPTION_ARG_STRING, &target->method,
          "how the guest's counter is related to the host's: hypervisor "
          "(default with --qmp), exchange (default without), ptp-kvm or "
          "realtime",
          "NAME" },
        { "samples", 0, 0, G_OPTION_ARG_INT, &target->samples,
          "readings per clock the agent takes, 1 to 1000 (default 32)", "N" },
        { "timeout", 0, 0, G_OPTION_ARG_INT, &target->timeout_s,
          "give up on a peer after this long (default 5)", "SECONDS" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    *target = (TcsTargetOptions){ .samples = SAMPLES_DEFAULT,
                                  .timeout_s = TIMEOUT_S_DEFAULT };
    g_option_context_add_main_entries(context, entries, NULL);
}

/* connect() says of any other file that nobody is listening there. */
static gboolean check_socket(const TcsAddress *address, GError **error)
{
    struct stat state;
    g_autofree char *path = NULL;

    if (address->kind != TCS_ADDRESS_UNIX || stat(address->path, &state) < 0 ||
        S_ISSOCK(state.st_mode)) {
        return TRUE;
    }
    path = g_filename_display_name(address->path);
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "%s is %s and no socket; name the socket that %s listens on",
                path, S_ISDIR(state.st_mode) ? "a directory" : "a file",
                address->qga ? "QEMU" : "QEMU or the agent");
    return FALSE;
}

/* Mistyped addresses are told before anything is tried. */
static gboolean check_addresses(const TcsTargetOptions *target, GError **error)
{
    g_autoptr(TcsAddress) qmp = NULL;
    g_autoptr(TcsAddress) agent = NULL;

    if (target->qmp) {
        qmp = tcs_address_parse_qmp(target->qmp, error);
        if (!qmp) {
            return FALSE;
        }
    }
    if (target->agent) {
        agent = tcs_address_parse_agent(target->agent, error);
    }
    return (agent || !target->agent) && (!qmp || check_socket(qmp, error)) &&
           (!agent || check_socket(agent, error));
}

/* The method that was named, or what suits the addresses. */
static const TcsMethod *choose_method(const TcsTargetOptions *target,
                                      GError **error)
{
    const TcsMethod *method = target->method
                                  ? tcs_method_find(target->method, error)
                              : target->qmp ? &tcs_method_hypervisor
                                            : &tcs_method_exchange;

    if (method && method->command && !target->agent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--method %s asks the guest: add --agent", method->name);
        return NULL;
    }
    if (method && !method->command && !target->qmp) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--method %s asks the hypervisor: add --qmp", method->name);
        return NULL;
    }
    return method;
}

gboolean tcs_target_options_check(const TcsTargetOptions *target,
                                  TcsSessionOptions *ret_session,
                                  GError **error)
{
    const TcsMethod *method;

    if (!target->qmp && !target->agent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--qmp is missing: where is QEMU's monitor? For example "
                    "--qmp /run/vm/qmp.sock; or, where the hypervisor cannot "
                    "be asked, --agent alone");
        return FALSE;
    }
    if (!check_addresses(target, error)) {
        return FALSE;
    }
    method = choose_method(target, error);
    if (!method) {
        return FALSE;
    }
    if (target->samples < 1 || target->samples > SAMPLES_MAX ||
        target->timeout_s < 1 || target->timeout_s > TIMEOUT_S_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--samples takes 1 to %d, --timeout 1 to %d seconds",
                    SAMPLES_MAX, TIMEOUT_S_MAX);
        return FALSE;
    }
    *ret_session = (TcsSessionOptions){
        .qmp = target->qmp,
        .agent = target->agent,
        .method = method,
        .agent_samples = (guint)target->samples,
        .timeout_ms = (guint)target->timeout_s * 1000,
    };
    return TRUE;
}

void tcs_target_options_clear(TcsTargetOptions *target)
{
    g_clear_pointer(&target->qmp, g_free);
    g_clear_pointer(&target->agent, g_free);
    g_clear_pointer(&target->method, g_free);
}

gboolean tcs_options_parse(GOptionContext *context, int *argc, char ***argv,
                           int max_rest, GError **error)
{
    g_autoptr(GError) parse_error = NULL;

    if (!g_option_context_parse(context, argc, argv, &parse_error)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "%s; see %s --help",
                    parse_error->message, g_get_prgname());
        return FALSE;
    }
    if (*argc > 1 + max_rest) {
        const char *verb = (*argv)[0];

        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "'%s' is not an option of %s; see %s --help",
                    (*argv)[1 + max_rest], verb, g_get_prgname());
        return FALSE;
    }
    return TRUE;
}
