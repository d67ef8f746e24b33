/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an address to a connected, non-blocking socket. Speaks no protocol.
 */
#ifndef COLLECTOR_CONNECT_H
#define COLLECTOR_CONNECT_H

#include <gio/gio.h>

#include "address.h"

G_BEGIN_DECLS

/* `deadline`: g_get_monotonic_time() at which to give up. */
void tcs_connect_async(const TcsAddress *address, gint64 deadline,
                       GAsyncReadyCallback callback, gpointer user_data);

/* A file descriptor that the caller closes; -1 and an error. */
int tcs_connect_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
