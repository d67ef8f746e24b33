/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-get-trace-clocks by way of a stock qemu-ga: guest-exec runs
 * trace-clock-agent --once in the guest, and its output is the reply.
 */
#ifndef COLLECTOR_AGENT_EXEC_H
#define COLLECTOR_AGENT_EXEC_H

#include "rpc.h"

G_BEGIN_DECLS

/* `arguments`: those of guest-get-trace-clocks, or NULL. */
void tcs_agent_exec_async(TcsRpc *qga, json_object *arguments, gint64 deadline,
                          GAsyncReadyCallback callback, gpointer user_data);
json_object *tcs_agent_exec_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
