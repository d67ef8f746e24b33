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

/*
 * What to say besides of a domain that is not at this connection: where it is a
 * user's own libvirt, where the system's is. Forgets the last error.
 */
const char *tcs_libvirt_session_hint(virConnectPtr connection);

/* TCS_ERROR_UNREACHABLE of a domain that is not there: at the URI, or several
 * with commas between them. NULL: libvirt's default. */
void tcs_libvirt_set_absent(GError **error, const char *uris, const char *virsh,
                            const char *name, const char *hint);

/* This thread's last error, printable. */
char *tcs_libvirt_last_message(void);

/* What the user types to look there: "virsh -c URI" or "virsh". */
char *tcs_libvirt_virsh(const char *uri);

G_END_DECLS

#endif
