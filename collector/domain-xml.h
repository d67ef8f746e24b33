/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's component in the XML of a libvirt domain. Works on XML as libvirt
 * writes it (one element a line, its own indentation), and leaves every other
 * byte as it is. Connects to nothing.
 */
#ifndef COLLECTOR_DOMAIN_XML_H
#define COLLECTOR_DOMAIN_XML_H

#include <glib.h>

G_BEGIN_DECLS

#define TCS_PLUGIN_FILE "trace-clock-sync.so"

/* The XML without any -plugin that is ours. The caller frees it. */
char *tcs_domain_xml_remove_plugin(const char *xml);

/*
 * The XML with `-plugin plugin` and no other of ours: the same where it is
 * there already. `plugin` may have options (PATH,NAME=VALUE). The caller frees
 * it. NULL and TCS_ERROR_REFUSED where this is not XML as libvirt writes it.
 */
char *tcs_domain_xml_add_plugin(const char *xml, const char *plugin,
                                GError **error);

/* The value of our -plugin as the XML has it; NULL: none. */
char *tcs_domain_xml_find_plugin(const char *xml);

G_END_DECLS

#endif
