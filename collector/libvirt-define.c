/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See libvirt-define.h.
 */
#include "libvirt-define.h"

#include <string.h>

#include "domain-xml.h"
#include "error.h"
#include "libvirt-calls.h"
#include "libvirt-open.h"

/* With passwords, which defining it again would lose otherwise. */
#define XML_FLAGS (VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE)

void tcs_plugin_state_free(TcsPluginState *state)
{
    if (state) {
        g_free(state->before);
        g_free(state->after);
        g_free(state);
    }
}

static char *read_xml(virDomainPtr domain, const char *uri, const char *name,
                      GError **error)
{
    char *xml = tcs_libvirt.virDomainGetXMLDesc(domain, XML_FLAGS);
    char *copy;

    if (!xml) {
        tcs_libvirt_set_error(error, uri, "cannot read the XML of domain %s",
                              name);
        return NULL;
    }
    copy = g_strdup(xml);
    free(xml);
    return copy;
}

/* Whether libvirt has taken it over; it may refuse or drop what it likes. */
static gboolean define(virConnectPtr connection, virDomainPtr domain,
                       const char *uri, const char *name, const char *xml,
                       TcsPluginState *state, GError **error)
{
    virDomainPtr defined = tcs_libvirt.virDomainDefineXML(connection, xml);
    g_autofree char *wanted = tcs_domain_xml_find_plugin(xml);
    g_autofree char *now = NULL;

    if (!defined) {
        return tcs_libvirt_set_error(error, uri, "cannot define domain %s",
                                     name);
    }
    tcs_libvirt.virDomainFree(defined);
    now = read_xml(domain, uri, name, error);
    if (!now) {
        return FALSE;
    }
    state->changed = TRUE;
    state->after = tcs_domain_xml_find_plugin(now);
    if (g_strcmp0(state->after, wanted) != 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "libvirt did not keep the change of domain %s; look at its "
                    "<qemu:commandline> with 'virsh edit'",
                    name);
        return FALSE;
    }
    return TRUE;
}

static gboolean change(virConnectPtr connection, virDomainPtr domain,
                       const char *uri, const char *name,
                       TcsPluginAction action, const char *plugin,
                       TcsPluginState *state, GError **error)
{
    g_autofree char *xml = NULL;
    g_autofree char *changed = NULL;

    if (tcs_libvirt.virDomainIsPersistent(domain) != 1) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "domain %s is transient: libvirt keeps no definition of it; "
            "add the plugin to the XML that it is made from "
            "(docs/howto-libvirt.md)",
            name);
        return FALSE;
    }
    state->is_active = tcs_libvirt.virDomainIsActive(domain) == 1;
    xml = read_xml(domain, uri, name, error);
    if (!xml) {
        return FALSE;
    }
    state->before = tcs_domain_xml_find_plugin(xml);
    if (action == TCS_PLUGIN_SHOW) {
        state->after = g_strdup(state->before);
        return TRUE;
    }
    changed = action == TCS_PLUGIN_ADD
                  ? tcs_domain_xml_add_plugin(xml, plugin, error)
                  : tcs_domain_xml_remove_plugin(xml);
    if (!changed) {
        return FALSE;
    }
    if (strcmp(changed, xml) == 0) {
        state->after = g_strdup(state->before);
        return TRUE;
    }
    return define(connection, domain, uri, name, changed, state, error);
}

TcsPluginState *tcs_libvirt_change_plugin(const char *uri, const char *name,
                                          TcsPluginAction action,
                                          const char *plugin, GError **error)
{
    g_autoptr(TcsPluginState) state = g_new0(TcsPluginState, 1);
    virConnectPtr connection = tcs_libvirt_open(uri, error);
    virDomainPtr domain;
    gboolean ok = FALSE;

    if (!connection) {
        return NULL;
    }
    domain = tcs_libvirt.virDomainLookupByName(connection, name);
    if (domain) {
        ok =
            change(connection, domain, uri, name, action, plugin, state, error);
        tcs_libvirt.virDomainFree(domain);
    } else if (tcs_libvirt.virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        g_autofree char *virsh = tcs_libvirt_virsh(uri);

        tcs_libvirt_set_absent(error, uri, virsh, name,
                               tcs_libvirt_session_hint(connection));
    } else {
        tcs_libvirt_set_error(error, uri, "cannot find domain %s", name);
    }
    tcs_libvirt.virConnectClose(connection);
    return ok ? g_steal_pointer(&state) : NULL;
}
