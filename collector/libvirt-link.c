/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See libvirt-link.h. The only file with libvirt's own calls, but for those
 * that change a domain's definition.
 */
#include "libvirt-link.h"

#include <string.h>

#include "error.h"
#include "json-util.h"
#include "libvirt-calls.h"
#include "libvirt-open.h"

struct TcsLibvirtLink {
    char *name;  /* not virDomainGetName(): that forgets the last error */
    char *where; /* "domain web1 at qemu:///system" */
    char *virsh;
    char *uri; /* NULL: the default */
    virConnectPtr connection;
    virDomainPtr domain;
    unsigned int id; /* another one for each start of the domain */
};

void tcs_libvirt_link_free(TcsLibvirtLink *link)
{
    if (link) {
        if (link->domain) {
            tcs_libvirt.virDomainFree(link->domain);
        }
        if (link->connection) {
            tcs_libvirt.virConnectClose(link->connection);
        }
        g_free(link->name);
        g_free(link->where);
        g_free(link->virsh);
        g_free(link->uri);
        g_free(link);
    }
}

static TcsLibvirtLink *link_new(virConnectPtr connection, virDomainPtr domain,
                                const char *uri)
{
    TcsLibvirtLink *link = g_new0(TcsLibvirtLink, 1);

    link->connection = connection;
    link->domain = domain;
    link->id = tcs_libvirt.virDomainGetID(domain);
    link->name = g_strdup(tcs_libvirt.virDomainGetName(domain));
    link->virsh = tcs_libvirt_virsh(uri);
    link->uri = g_strdup(uri);
    link->where = g_strdup_printf("domain %s%s%s", link->name,
                                  uri ? " at " : "", uri ? uri : "");
    return link;
}

/*
 * Of domains of one name that which runs: a host from which one has migrated
 * may keep its definition. Consumes `found`.
 */
static gboolean choose(TcsLibvirtLink **ret_link, TcsLibvirtLink *found,
                       GError **error)
{
    if (!*ret_link) {
        *ret_link = found;
        return TRUE;
    }
    if (tcs_libvirt.virDomainIsActive((*ret_link)->domain) == 1 &&
        tcs_libvirt.virDomainIsActive(found->domain) == 1) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "a domain %s runs at more than one of the URIs; leave one "
                    "--connect",
                    found->name);
        tcs_libvirt_link_free(found);
        return FALSE;
    }
    if (tcs_libvirt.virDomainIsActive(found->domain) == 1) {
        tcs_libvirt_link_free(*ret_link);
        *ret_link = found;
    } else {
        tcs_libvirt_link_free(found);
    }
    return TRUE;
}

/*
 * Consumes the connection. *ret_link stays where the domain is not there, and
 * *ret_hint is then what to say of that.
 */
static gboolean look_up(virConnectPtr connection, const char *name,
                        const char *uri, TcsLibvirtLink **ret_link,
                        const char **ret_hint, GError **error)
{
    virDomainPtr domain = tcs_libvirt.virDomainLookupByName(connection, name);

    if (!domain) {
        gboolean is_absent =
            tcs_libvirt.virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;

        if (is_absent) {
            *ret_hint = tcs_libvirt_session_hint(connection);
        } else {
            tcs_libvirt_set_error(error, uri, "cannot look for domain %s",
                                  name);
        }
        tcs_libvirt.virConnectClose(connection);
        return is_absent;
    }
    return choose(ret_link, link_new(connection, domain, uri), error);
}

static gboolean set_not_running(const TcsLibvirtLink *link, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                "%s is not running; start it (%s start %s), or resume it",
                link->where, link->virsh, link->name);
    return FALSE;
}

TcsLibvirtLink *tcs_libvirt_link_open(const char *name, char **uris,
                                      GError **error)
{
    char *by_default[] = { NULL, NULL };
    guint n = uris ? g_strv_length(uris) : 0;
    TcsLibvirtLink *link = NULL;
    const char *hint = "";

    for (guint i = 0; i < MAX(n, 1); i++) {
        const char *uri = n ? uris[i] : by_default[0];
        virConnectPtr connection = tcs_libvirt_open(uri, error);

        if (!connection ||
            !look_up(connection, name, uri, &link, &hint, error)) {
            tcs_libvirt_link_free(link);
            return NULL;
        }
    }
    if (!link) {
        g_autofree char *virsh = tcs_libvirt_virsh(n ? uris[0] : NULL);
        g_autofree char *list = n ? g_strjoinv(", ", uris) : NULL;

        /* Who names several may have named the system's among them. */
        tcs_libvirt_set_absent(error, list, virsh, name, n > 1 ? "" : hint);
        return NULL;
    }
    if (tcs_libvirt.virDomainIsActive(link->domain) != 1) {
        set_not_running(link, error);
        g_clear_pointer(&link, tcs_libvirt_link_free);
    }
    return link;
}

const char *tcs_libvirt_link_uri(const TcsLibvirtLink *link)
{
    return link->uri;
}

/*
 * Whether the QEMU is still that of the beginning: libvirt itself hands a
 * command to whichever runs under the domain's name.
 */
static gboolean check_same_qemu(TcsLibvirtLink *link, GError **error)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    virDomainPtr now;
    unsigned int id;

    if (tcs_libvirt.virDomainGetUUID(link->domain, uuid) < 0 ||
        !(now = tcs_libvirt.virDomainLookupByUUID(link->connection, uuid))) {
        return tcs_libvirt_set_error(error, NULL, "%s is gone", link->where);
    }
    id = tcs_libvirt.virDomainGetID(now);
    tcs_libvirt.virDomainFree(now);
    if (id == (unsigned int)-1) {
        return set_not_running(link, error);
    }
    if (id != link->id) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                    "%s was started anew meanwhile; try again", link->where);
        return FALSE;
    }
    return TRUE;
}

char *tcs_libvirt_monitor(TcsLibvirtLink *link, const char *request,
                          GError **error)
{
    g_autofree char *copy = NULL;
    char *reply = NULL;

    if (tcs_libvirt.virDomainQemuMonitorCommand(link->domain, request, &reply,
                                                0) < 0) {
        if (tcs_libvirt.virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID) {
            set_not_running(link, error);
        } else {
            tcs_libvirt_set_error(error, NULL, "%s: QEMU's monitor failed",
                                  link->where);
        }
        return NULL;
    }
    copy = g_strdup(reply);
    free(reply);
    return check_same_qemu(link, error) ? g_steal_pointer(&copy) : NULL;
}

/* libvirt's codes that have a known next step. */
static void explain_agent_failure(const TcsLibvirtLink *link, GError **error)
{
    g_autofree char *shown = tcs_libvirt_last_message();

    switch (tcs_libvirt.virGetLastErrorCode()) {
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                    "%s has no channel for a guest agent (%s); add one: '%s "
                    "edit %s', under <devices>: <channel type='unix'><target "
                    "type='virtio' name='org.qemu.guest_agent.0'/></channel>; "
                    "or ask another agent (--agent vsock:CID), or none "
                    "(--agent none)",
                    link->where, shown, link->virsh, link->name);
        break;
    case VIR_ERR_AGENT_UNRESPONSIVE:
    case VIR_ERR_AGENT_UNSYNCED:
        g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                    "%s: its guest agent does not answer (%s); install and "
                    "start qemu-guest-agent in the guest, check that the guest "
                    "is not stuck; or ask another agent (--agent vsock:CID), "
                    "or none (--agent none)",
                    link->where, shown);
        break;
    case VIR_ERR_OPERATION_INVALID:
        set_not_running(link, error);
        break;
    case VIR_ERR_INTERNAL_ERROR:
        g_set_error(error, TCS_ERROR, TCS_ERROR_PEER, "%s: %s", link->where,
                    shown);
        break;
    default:
        tcs_libvirt_set_error(error, NULL, "%s: its guest agent failed",
                              link->where);
        break;
    }
}

char *tcs_libvirt_agent(TcsLibvirtLink *link, const char *request,
                        gint timeout_s, GError **error)
{
    char *reply = tcs_libvirt.virDomainQemuAgentCommand(link->domain, request,
                                                        timeout_s, 0);
    char *copy;

    if (!reply) {
        explain_agent_failure(link, error);
        return NULL;
    }
    copy = g_strdup(reply);
    free(reply);
    return copy;
}

static void place_free(gpointer data)
{
    TcsLibvirtPlace *place = data;

    g_free(place->name);
    g_free(place->uri);
    g_free(place);
}

static gboolean list_at(GPtrArray *places, const char *uri, GError **error)
{
    virConnectPtr connection = tcs_libvirt_open(uri, error);
    virDomainPtr *domains = NULL;
    int n;

    if (!connection) {
        return FALSE;
    }
    n = tcs_libvirt.virConnectListAllDomains(connection, &domains,
                                             VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0) {
        tcs_libvirt_set_error(error, uri, "cannot list its domains");
    }
    for (int i = 0; i < n; i++) {
        TcsLibvirtPlace *place = g_new0(TcsLibvirtPlace, 1);

        place->name = g_strdup(tcs_libvirt.virDomainGetName(domains[i]));
        place->uri = g_strdup(uri);
        g_ptr_array_add(places, place);
        tcs_libvirt.virDomainFree(domains[i]);
    }
    free(domains);
    tcs_libvirt.virConnectClose(connection);
    return n >= 0;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const TcsLibvirtPlace *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

GPtrArray *tcs_libvirt_list(char **uris, GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(place_free);
    guint n = uris ? g_strv_length(uris) : 0;

    for (guint i = 0; i < MAX(n, 1); i++) {
        if (!list_at(places, n ? uris[i] : NULL, error)) {
            return NULL;
        }
    }
    g_ptr_array_sort(places, by_name);
    return g_steal_pointer(&places);
}
