/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest agent as a TcsRpc: qemu-ga or trace-clock-agent. Over a qemu-ga that
 * has no guest-get-trace-clocks, that command runs trace-clock-agent through
 * guest-exec; callers see no difference but the route.
 */
#ifndef COLLECTOR_AGENT_H
#define COLLECTOR_AGENT_H

#include "rpc.h"

G_BEGIN_DECLS

/*
 * `address`: qga:PATH, vsock:CID[:PORT], tcp:HOST:PORT or unix:PATH. A
 * malformed one is TCS_ERROR_USAGE. The time limit covers everything up to a
 * synchronised connection.
 */
void tcs_agent_connect_async(const char *address, guint timeout_ms,
                             GAsyncReadyCallback callback, gpointer user_data);
TcsRpc *tcs_agent_connect_finish(GAsyncResult *result, GError **error);

/* A qemu-ga that is reached another way; `inner` is consumed. */
TcsRpc *tcs_agent_of_qga(TcsRpc *inner);

/*
 * How guest-get-trace-clocks travels: "qga", "qga-exec", "vsock", "tcp" or
 * "unix". "qga" turns into "qga-exec" once guest-exec had to be used.
 * NULL for an rpc that is not an agent's.
 */
const char *tcs_agent_route(TcsRpc *rpc);

G_END_DECLS

#endif
