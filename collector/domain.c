/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See domain.h. What a domain's thread needs (its link) is touched there only;
 * requests go in and replies come out as text.
 */
#include "domain.h"

#include <string.h>

#include "agent.h"
#include "error.h"
#include "json-rpc.h"
#include "json-util.h"
#include "libvirt-link.h"
#include "libvirt-open.h"
#include "rpc-impl.h"
#include "worker.h"

#define COMMANDS_MAX 1024

struct TcsDomain {
    gatomicrefcount refs;
    char *name;
    char **uris; /* NULL: the default */
    TcsWorker *worker;
    TcsLibvirtLink *link; /* of the thread */
    /*
     * Of the thread: the URI that had it first, and then alone is asked. A
     * domain that has migrated to another host is counted by that host's
     * counter, which must not get into one log with this one's.
     */
    char **host;
};

typedef struct {
    TcsRpc rpc;
    TcsDomain *domain;
    gboolean is_agent;
    GHashTable *commands; /* the agent's; NULL: not known yet */
} DomainRpc;

/* One command, in both threads. */
typedef struct {
    TcsDomain *domain;
    char *request;
    gboolean is_agent;
    gint64 deadline;
} Exchange;

/* One command, in the main context. */
typedef struct {
    DomainRpc *rpc; /* outlives the call: rpc.c sees to that */
    char *command;
} Call;

GError *tcs_domain_not_built_error(void)
{
    return NULL;
}

TcsDomain *tcs_domain_new(const char *name, const char *const *uris)
{
    TcsDomain *domain = g_new0(TcsDomain, 1);

    g_atomic_ref_count_init(&domain->refs);
    domain->name = g_strdup(name);
    domain->uris = g_strdupv((char **)uris);
    domain->worker = tcs_worker_new("libvirt");
    return domain;
}

TcsDomain *tcs_domain_ref(TcsDomain *domain)
{
    g_atomic_ref_count_inc(&domain->refs);
    return domain;
}

static void link_free(gpointer link)
{
    tcs_libvirt_link_free(link);
}

/* Closing the connection may block as well. */
void tcs_domain_unref(TcsDomain *domain)
{
    if (domain && g_atomic_ref_count_dec(&domain->refs)) {
        tcs_worker_free(domain->worker, link_free, domain->link);
        g_strfreev(domain->uris);
        g_strfreev(domain->host);
        g_free(domain->name);
        g_free(domain);
    }
}

const char *tcs_domain_name(const TcsDomain *domain)
{
    return domain->name;
}

char *tcs_domain_virsh(const TcsDomain *domain)
{
    return tcs_libvirt_virsh(domain->uris ? domain->uris[0] : NULL);
}

static void exchange_free(gpointer data)
{
    Exchange *exchange = data;

    tcs_domain_unref(exchange->domain);
    g_free(exchange->request);
    g_free(exchange);
}

/* In the thread. */
static gpointer do_exchange(gpointer data, GError **error)
{
    Exchange *exchange = data;
    TcsLibvirtLink *link = exchange->domain->link;

    if (exchange->is_agent) {
        /* Rounded up: our own deadline cuts the rest. */
        guint left_ms = tcs_deadline_left_ms(exchange->deadline);

        return tcs_libvirt_agent(link, exchange->request,
                                 (gint)((left_ms + 999) / 1000), error);
    }
    return tcs_libvirt_monitor(link, exchange->request, error);
}

/* In the thread. */
static gpointer do_open(gpointer data, GError **error)
{
    TcsDomain *domain = data;

    g_clear_pointer(&domain->link, tcs_libvirt_link_free);
    domain->link = tcs_libvirt_link_open(
        domain->name, domain->host ? domain->host : domain->uris, error);
    if (domain->link && !domain->host) {
        const char *host[] = { tcs_libvirt_link_uri(domain->link), NULL };

        domain->host = g_strdupv((char **)host);
    }
    return domain->link;
}

static void unref_domain(gpointer domain)
{
    tcs_domain_unref(domain);
}

/* The "return" of a reply; what is wrong with it otherwise. */
static json_object *read_reply(const Call *call, const char *text,
                               GError **error)
{
    g_autoptr(json_object) reply = tcs_json_parse(text, strlen(text), error);
    json_object *value, *failure;

    if (reply && tcs_json_has(reply, "error") &&
        tcs_json_get_object(reply, "error", &failure, error)) {
        g_propagate_error(error, tcs_json_rpc_error(call->rpc->rpc.name,
                                                    call->command, failure));
        return NULL;
    }
    if (reply && !*error) {
        value = json_object_object_get(reply, "return");
        if (value) {
            return json_object_get(value);
        }
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL, "it has no 'return'");
    }
    g_prefix_error(error, "%s: what came as the answer to %s is refused: ",
                   call->rpc->rpc.name, call->command);
    return NULL;
}

GError *tcs_domain_explain_timeout(const char *name, const char *what,
                                   GError *error)
{
    if (g_error_matches(error, TCS_ERROR, TCS_ERROR_TIMEOUT) &&
        !*error->message) {
        tcs_error_rephrase(
            error,
            g_strdup_printf("%s: libvirt gave no answer to %s within the time "
                            "limit; check that libvirtd (or virtqemud) and the "
                            "domain's QEMU are not stopped or stuck, or give "
                            "them more time (--timeout)",
                            name, what));
    }
    return error;
}

static void call_free(gpointer data)
{
    Call *call = data;

    g_free(call->command);
    g_free(call);
}

static void on_exchanged(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Call *call = g_task_get_task_data(task);
    g_autofree char *text = NULL;
    json_object *value = NULL;
    GError *error = NULL;

    text = tcs_worker_run_finish(result, &error);
    if (text) {
        value = read_reply(call, text, &error);
    } else {
        error = tcs_domain_explain_timeout(call->rpc->rpc.name, call->command,
                                           error);
    }
    if (value) {
        g_task_return_pointer(task, value, tcs_json_object_free);
    } else {
        g_task_return_error(task, error);
    }
}

/* Whether the agent has the command, by its own list. */
static gboolean check_command(DomainRpc *self, const char *command, GTask *task)
{
    gpointer enabled;

    if (!self->commands || (g_hash_table_lookup_extended(
                                self->commands, command, NULL, &enabled) &&
                            GPOINTER_TO_INT(enabled))) {
        return TRUE;
    }
    g_task_return_new_error(
        task, TCS_ERROR, TCS_ERROR_COMMAND_NOT_FOUND,
        "%s: the command %s is not available there: guest-info says that it %s",
        self->rpc.name, command,
        g_hash_table_contains(self->commands, command) ? "is blocked"
                                                       : "does not exist");
    g_object_unref(task);
    return FALSE;
}

static void domain_call(TcsRpc *rpc, const char *command,
                        json_object *arguments, gint64 deadline, GTask *task)
{
    DomainRpc *self = (DomainRpc *)rpc;
    g_autoptr(GBytes) request = NULL;
    Exchange *exchange;
    Call *call;

    if (!check_command(self, command, task)) {
        return;
    }
    request = tcs_json_rpc_request(command, arguments, NULL);
    exchange = g_new0(Exchange, 1);
    exchange->domain = tcs_domain_ref(self->domain);
    exchange->request =
        g_strndup(g_bytes_get_data(request, NULL), g_bytes_get_size(request));
    exchange->is_agent = self->is_agent;
    exchange->deadline = deadline;
    call = g_new0(Call, 1);
    call->rpc = self;
    call->command = g_strdup(command);
    g_task_set_task_data(task, call, call_free);
    tcs_worker_run_async(self->domain->worker, do_exchange, exchange,
                         exchange_free, g_free, deadline, on_exchanged, task);
}

static void domain_rpc_free(TcsRpc *rpc)
{
    DomainRpc *self = (DomainRpc *)rpc;

    tcs_domain_unref(self->domain);
    g_clear_pointer(&self->commands, g_hash_table_unref);
    g_free(self);
}

static const TcsRpcClass domain_rpc_class = {
    .call = domain_call,
    .free = domain_rpc_free,
};

static DomainRpc *domain_rpc_new(TcsDomain *domain, gboolean is_agent)
{
    DomainRpc *self = g_new0(DomainRpc, 1);
    g_autofree char *name =
        g_strdup_printf("%s of domain %s",
                        is_agent ? "guest agent" : "QMP monitor", domain->name);

    tcs_rpc_init(&self->rpc, &domain_rpc_class, name);
    self->domain = tcs_domain_ref(domain);
    self->is_agent = is_agent;
    return self;
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    TcsDomain *domain = g_task_get_task_data(task);
    GError *error = NULL;

    if (tcs_worker_run_finish(result, &error)) {
        g_task_return_pointer(task, domain_rpc_new(domain, FALSE),
                              (GDestroyNotify)tcs_rpc_unref);
    } else {
        g_autofree char *name = g_strdup_printf("domain %s", domain->name);

        g_task_return_error(task, tcs_domain_explain_timeout(
                                      name, "the request to connect", error));
    }
}

static void keep_result(gpointer result)
{
}

void tcs_domain_monitor_async(TcsDomain *domain, guint timeout_ms,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);

    g_task_set_task_data(task, tcs_domain_ref(domain), unref_domain);
    tcs_worker_run_async(domain->worker, do_open, tcs_domain_ref(domain),
                         unref_domain, keep_result,
                         tcs_deadline_after_ms(timeout_ms), on_opened, task);
}

/* guest-info's list of commands; NULL where it makes no sense. */
static GHashTable *read_commands(json_object *info, GError **error)
{
    g_autoptr(GHashTable) commands =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_object *list;

    if (!tcs_json_get_array(info, "supported_commands", COMMANDS_MAX, &list,
                            error)) {
        return NULL;
    }
    for (gsize i = 0; i < json_object_array_length(list); i++) {
        json_object *command = json_object_array_get_idx(list, i);
        const char *name;
        gboolean enabled;

        if (!tcs_json_get_string(command, "name", 256, &name, error) ||
            !tcs_json_get_bool(command, "enabled", &enabled, error)) {
            return NULL;
        }
        g_hash_table_insert(commands, g_strdup(name), GINT_TO_POINTER(enabled));
    }
    return g_steal_pointer(&commands);
}

static void on_info(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    DomainRpc *self = g_task_get_task_data(task);
    g_autoptr(json_object) info = NULL;
    GError *error = NULL;

    info = tcs_rpc_call_finish(&self->rpc, result, &error);
    if (info) {
        self->commands = read_commands(info, &error);
        if (error) {
            tcs_rpc_explain_answer(&self->rpc, error,
                                   "check the guest's qemu-ga");
        }
    }
    if (error) {
        g_task_return_error(task, error);
        return;
    }
    g_task_return_pointer(task, tcs_agent_of_qga(tcs_rpc_ref(&self->rpc)),
                          (GDestroyNotify)tcs_rpc_unref);
}

void tcs_domain_agent_async(TcsDomain *domain, guint timeout_ms,
                            GAsyncReadyCallback callback, gpointer user_data)
{
    GTask *task = g_task_new(NULL, NULL, callback, user_data);
    DomainRpc *self = domain_rpc_new(domain, TRUE);

    g_task_set_task_data(task, self, (GDestroyNotify)tcs_rpc_unref);
    tcs_rpc_call_async(&self->rpc, "guest-info", NULL, timeout_ms, on_info,
                       task);
}

/* In the thread. */
static gpointer do_list(gpointer data, GError **error)
{
    return tcs_libvirt_list(data, error);
}

GPtrArray *tcs_domain_list(const char *const *uris, guint timeout_ms,
                           GError **error)
{
    g_autoptr(GPtrArray) places = NULL;
    GPtrArray *domains;
    GError *failure = NULL;

    places = tcs_worker_run_and_wait(
        do_list, g_strdupv((char **)uris), (GDestroyNotify)g_strfreev,
        (GDestroyNotify)g_ptr_array_unref, timeout_ms, &failure);
    if (!places) {
        g_propagate_error(
            error, tcs_domain_explain_timeout(
                       "--all", "the question which domains run", failure));
        return NULL;
    }
    domains = g_ptr_array_new_with_free_func(unref_domain);
    for (guint i = 0; i < places->len; i++) {
        const TcsLibvirtPlace *place = g_ptr_array_index(places, i);
        const char *const uri[] = { place->uri, NULL };

        g_ptr_array_add(domains,
                        tcs_domain_new(place->name, place->uri ? uri : NULL));
    }
    return domains;
}
