/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A libvirt domain: its QEMU's monitor and its guest's qemu-ga as TcsRpc, and
 * which domains there are. libvirt's calls block, so each domain has a thread
 * and a connection of its own, which its monitor and its agent share: one that
 * hangs holds up no other.
 */
#ifndef COLLECTOR_DOMAIN_H
#define COLLECTOR_DOMAIN_H

#include "rpc.h"

G_BEGIN_DECLS

typedef struct TcsDomain TcsDomain;

/*
 * By name, looked for at each of the URIs (NULL or none: libvirt's default).
 * Connects to nothing yet.
 */
TcsDomain *tcs_domain_new(const char *name, const char *const *uris);
TcsDomain *tcs_domain_ref(TcsDomain *domain);
void tcs_domain_unref(TcsDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsDomain, tcs_domain_unref)

const char *tcs_domain_name(const TcsDomain *domain);

/* Where it was looked for, for the user's next command: "virsh -c URI". */
char *tcs_domain_virsh(const TcsDomain *domain);

/* NULL, or TCS_ERROR_USAGE: this program was built without libvirt. */
GError *tcs_domain_not_built_error(void);

/*
 * A worker's TCS_ERROR_TIMEOUT in words: who did not answer what. Consumes
 * `error`, and returns it.
 */
GError *tcs_domain_explain_timeout(const char *name, const char *what,
                                   GError *error);

/*
 * The running domains at all of the URIs (of TcsDomain, by name). Waits for
 * the answer, but not longer than the time limit. TCS_ERROR_UNREACHABLE or
 * _TIMEOUT where one of the URIs gives none.
 */
GPtrArray *tcs_domain_list(const char *const *uris, guint timeout_ms,
                           GError **error);

/*
 * The monitor, by a new connection to libvirt; tcs_qmp_connect_finish() ends
 * it. A QEMU that ends, or ends and is started again, breaks the TcsRpc: the
 * answers of two QEMUs never mix.
 */
void tcs_domain_monitor_async(TcsDomain *domain, guint timeout_ms,
                              GAsyncReadyCallback callback, gpointer user_data);

/*
 * qemu-ga, by the connection that its monitor has; tcs_agent_connect_finish()
 * ends it. Commands that guest-info does not have, or has blocked, are
 * TCS_ERROR_COMMAND_NOT_FOUND, and so guest-exec is tried for them.
 */
void tcs_domain_agent_async(TcsDomain *domain, guint timeout_ms,
                            GAsyncReadyCallback callback, gpointer user_data);

G_END_DECLS

#endif
