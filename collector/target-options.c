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

#define NO_AGENT          "none"

void tcs_target_options_add(TcsTargetOptions *target, GOptionContext *context)
{
    const GOptionEntry entries[] = {
        { "qmp", 0, 0, G_OPTION_ARG_FILENAME, &target->qmp, "QEMU's monitor",
          "PATH|HOST:PORT" },
        { "agent", 0, 0, G_OPTION_ARG_FILENAME, &target->agent,
          "the guest's agent: qga:PATH, vsock:CID[:PORT], tcp:HOST:PORT or "
          "unix:PATH",
          "ADDRESS" },
        { "domain", 0, 0, G_OPTION_ARG_STRING, &target->domain_name,
          "the VM is this libvirt domain: its monitor and its qemu-ga are "
          "asked through libvirt (another agent: --agent; none: --agent none)",
          "NAME" },
        { "all", 0, 0, G_OPTION_ARG_NONE, &target->all,
          "all running libvirt domains", NULL },
        { "connect", 0, 0, G_OPTION_ARG_STRING_ARRAY, &target->uris,
          "look for domains there (may be repeated; default: libvirt's own)",
          "URI" },
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

/* What --domain and --all replace, and what they need. */
static gboolean check_domain(TcsTargetOptions *target, GError **error)
{
    const char *problem = NULL;
    GError *not_built;

    if (!target->domain_name && !target->all) {
        if (target->uris) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                        "--connect says where domains are: add --domain NAME "
                        "or --all");
        }
        return target->uris == NULL;
    }
    if (target->domain_name && target->all) {
        problem = "--domain names one, --all means every one: give one of both";
    } else if (target->qmp) {
        problem = "libvirt holds a domain's monitor: leave out --qmp";
    } else if (target->all && target->agent &&
               !g_str_equal(target->agent, NO_AGENT)) {
        problem = "one --agent cannot serve all domains: leave it out, or give "
                  "--agent none";
    } else if (target->domain_name && !*target->domain_name) {
        problem = "--domain is empty: 'virsh list' shows the names";
    }
    if (problem) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_USAGE, problem);
        return FALSE;
    }
    not_built = tcs_domain_not_built_error();
    if (not_built) {
        g_propagate_error(error, not_built);
        return FALSE;
    }
    target->qmp = g_strdup(TCS_OF_DOMAIN);
    if (!target->agent) {
        target->agent = g_strdup(TCS_OF_DOMAIN);
    } else if (g_str_equal(target->agent, NO_AGENT)) {
        g_clear_pointer(&target->agent, g_free);
    }
    if (target->domain_name) {
        target->domain = tcs_domain_new(target->domain_name,
                                        (const char *const *)target->uris);
    }
    return TRUE;
}

static gboolean is_of_domain(const TcsTargetOptions *target,
                             const char *address)
{
    return (target->domain_name || target->all) &&
           g_str_equal(address, TCS_OF_DOMAIN);
}

/* Mistyped addresses are told before anything is tried. */
static gboolean check_addresses(const TcsTargetOptions *target, GError **error)
{
    g_autoptr(TcsAddress) qmp = NULL;
    g_autoptr(TcsAddress) agent = NULL;

    if (target->qmp && !is_of_domain(target, target->qmp)) {
        qmp = tcs_address_parse_qmp(target->qmp, error);
        if (!qmp) {
            return FALSE;
        }
    }
    if (target->agent && !is_of_domain(target, target->agent)) {
        agent = tcs_address_parse_agent(target->agent, error);
        if (!agent) {
            return FALSE;
        }
    }
    if (qmp && agent && qmp->kind == TCS_ADDRESS_UNIX &&
        agent->kind == TCS_ADDRESS_UNIX &&
        g_str_equal(qmp->path, agent->path)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--qmp and --agent are one socket: --qmp takes QEMU's, "
                    "--agent the guest agent's");
        return FALSE;
    }
    return (!qmp || check_socket(qmp, error)) &&
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

gboolean tcs_target_options_check(TcsTargetOptions *target,
                                  TcsSessionOptions *ret_session,
                                  GError **error)
{
    const TcsMethod *method;

    if (!check_domain(target, error)) {
        return FALSE;
    }
    if (!target->qmp && !target->agent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--qmp is missing: where is QEMU's monitor? For example "
                    "--qmp /run/vm/qmp.sock; or, under libvirt, --domain "
                    "NAME; or, where the hypervisor cannot be asked, --agent "
                    "alone");
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
        .domain = target->domain,
        .method = method,
        .agent_samples = (guint)target->samples,
        .timeout_ms = (guint)target->timeout_s * 1000,
        .reads_posix = TRUE,
    };
    return TRUE;
}

GPtrArray *tcs_target_options_sessions(const TcsTargetOptions *target,
                                       const TcsSessionOptions *session,
                                       GError **error)
{
    g_autoptr(GPtrArray) sessions =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_session_free);
    g_autoptr(GPtrArray) domains = NULL;
    TcsSessionOptions each = *session;

    if (!target->all) {
        g_ptr_array_add(sessions, tcs_session_new(session));
        return g_steal_pointer(&sessions);
    }
    domains = tcs_domain_list((const char *const *)target->uris,
                              session->timeout_ms, error);
    if (!domains) {
        return NULL;
    }
    for (guint i = 0; i < domains->len; i++) {
        each.domain = g_ptr_array_index(domains, i);
        g_ptr_array_add(sessions, tcs_session_new(&each));
    }
    if (sessions->len == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                    "no libvirt domain runs; start one, or name another "
                    "libvirt with --connect ('virsh uri' shows the default)");
        return NULL;
    }
    return g_steal_pointer(&sessions);
}

void tcs_target_options_clear(TcsTargetOptions *target)
{
    g_clear_pointer(&target->domain, tcs_domain_unref);
    g_clear_pointer(&target->domain_name, g_free);
    g_clear_pointer(&target->uris, g_strfreev);
    g_clear_pointer(&target->qmp, g_free);
    g_clear_pointer(&target->agent, g_free);
    g_clear_pointer(&target->method, g_free);
}

gboolean tcs_options_parse_or_advise(GOptionContext *context, int *argc,
                                     char ***argv, int max_rest,
                                     const char *advice, GError **error)
{
    g_autoptr(GError) parse_error = NULL;

    if (!g_option_context_parse(context, argc, argv, &parse_error)) {
        const gboolean is_unknown = g_error_matches(
            parse_error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION);

        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "%s; %ssee %s --help",
                    parse_error->message, is_unknown ? advice : "",
                    g_get_prgname());
        return FALSE;
    }
    if (*argc > 1 + max_rest) {
        const char *verb = (*argv)[0];

        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "'%s' is not an option of %s; %ssee %s --help",
                    (*argv)[1 + max_rest], verb, advice, g_get_prgname());
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_options_parse(GOptionContext *context, int *argc, char ***argv,
                           int max_rest, GError **error)
{
    return tcs_options_parse_or_advise(context, argc, argv, max_rest, "",
                                       error);
}
