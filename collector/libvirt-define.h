/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes a domain's persistent definition: QEMU's component in or out. May
 * block: see libvirt-link.h.
 */
#ifndef COLLECTOR_LIBVIRT_DEFINE_H
#define COLLECTOR_LIBVIRT_DEFINE_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    TCS_PLUGIN_SHOW,
    TCS_PLUGIN_ADD,
    TCS_PLUGIN_REMOVE,
} TcsPluginAction;

typedef struct {
    char *before; /* our -plugin's value, or NULL */
    char *after;  /* the same, after the change */
    gboolean changed;
    gboolean is_active; /* it runs, and goes on as it was started */
} TcsPluginState;

void tcs_plugin_state_free(TcsPluginState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsPluginState, tcs_plugin_state_free)

/*
 * `plugin`: path and options, for TCS_PLUGIN_ADD. TCS_ERROR_UNREACHABLE where
 * libvirt or the domain is not there or refuses, TCS_ERROR_REFUSED where the
 * domain has no definition to change.
 */
TcsPluginState *tcs_libvirt_change_plugin(const char *uri, const char *name,
                                          TcsPluginAction action,
                                          const char *plugin, GError **error);

G_END_DECLS

#endif
