/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain.h and libvirt-define.h where the program is built without libvirt.
 */
#include "domain.h"

#include "error.h"
#include "libvirt-define.h"

GError *tcs_domain_not_built_error(void)
{
    return g_error_new(TCS_ERROR, TCS_ERROR_USAGE,
                       "this trace-clock-sync was built without libvirt: "
                       "install libvirt-dev and build it again, or name the "
                       "VM's sockets with --qmp and --agent");
}

TcsDomain *tcs_domain_new(const char *name, const char *const *uris)
{
    g_assert_not_reached();
}

TcsDomain *tcs_domain_ref(TcsDomain *domain)
{
    g_assert_not_reached();
}

void tcs_domain_unref(TcsDomain *domain)
{
    g_assert_not_reached();
}

const char *tcs_domain_name(const TcsDomain *domain)
{
    g_assert_not_reached();
}

char *tcs_domain_virsh(const TcsDomain *domain)
{
    g_assert_not_reached();
}

GPtrArray *tcs_domain_list(const char *const *uris, guint timeout_ms,
                           GError **error)
{
    g_propagate_error(error, tcs_domain_not_built_error());
    return NULL;
}

void tcs_domain_monitor_async(TcsDomain *domain, guint timeout_ms,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    g_assert_not_reached();
}

void tcs_domain_agent_async(TcsDomain *domain, guint timeout_ms,
                            GAsyncReadyCallback callback, gpointer user_data)
{
    g_assert_not_reached();
}

GError *tcs_domain_explain_timeout(const char *name, const char *what,
                                   GError *error)
{
    g_assert_not_reached();
}

/* Of libvirt-define.h. */
void tcs_plugin_state_free(TcsPluginState *state)
{
    g_assert(!state);
}

TcsPluginState *tcs_libvirt_change_plugin(const char *uri, const char *name,
                                          TcsPluginAction action,
                                          const char *plugin, GError **error)
{
    g_assert_not_reached();
}
