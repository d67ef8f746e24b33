/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's monitor as a TcsRpc: connect, greeting, capabilities. Events are
 * skipped. Knows no particular command.
 */
#ifndef COLLECTOR_QMP_H
#define COLLECTOR_QMP_H

#include "rpc.h"

G_BEGIN_DECLS

/*
 * `address`: PATH, HOST:PORT or [IPV6]:PORT; also unix:PATH and tcp:HOST:PORT.
 * A malformed one is TCS_ERROR_USAGE. The time limit covers everything up to
 * a usable connection.
 */
void tcs_qmp_connect_async(const char *address, guint timeout_ms,
                           GAsyncReadyCallback callback, gpointer user_data);
TcsRpc *tcs_qmp_connect_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
