/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections to libvirt, and its errors in our words. Blocks; libvirt keeps
 * the last error for each thread.
 */
#ifndef COLLECTOR_LIBVIRT_OPEN_H
#define COLLECTOR_LIBVIRT_OPEN_H

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/*
 * To a QEMU driver, for writing, with keepalives, so that a peer that vanished
 * ends a call some time. `uri` NULL: libvirt's default. TCS_ERROR_UNREACHABLE.
 */
virConnectPtr tcs_libvirt_open(const char *uri, GError **error);

/* TCS_ERROR_UNREACHABLE from this thread's last error; FALSE. */
G_GNUC_PRINTF(3, 4)
gboolean tcs_libvirt_set_error(GError **error, const char *uri,
                               const char *format, ...);

/* This thread's last error, printable. */
char *tcs_libvirt_last_message(void);

/* What the user types to look there: "virsh -c URI" or "virsh". */
char *tcs_libvirt_virsh(const char *uri);

G_END_DECLS

#endif
