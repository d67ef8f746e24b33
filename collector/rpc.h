/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection that takes commands and returns JSON, whatever is at the far
 * end. Calls on one connection are queued, first in, first out; one is
 * outstanding. Everything runs in the thread-default main context of the
 * caller; callbacks get no source object (NULL).
 */
#ifndef COLLECTOR_RPC_H
#define COLLECTOR_RPC_H

#include <gio/gio.h>
#include <json-c/json.h>

G_BEGIN_DECLS

typedef struct TcsRpc TcsRpc;

TcsRpc *tcs_rpc_ref(TcsRpc *rpc);
/* Outstanding calls keep the connection alive until they are finished. */
void tcs_rpc_unref(TcsRpc *rpc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsRpc, tcs_rpc_unref)

/* What messages call the far end: "QMP monitor unix:/run/vm.qmp". */
const char *tcs_rpc_name(TcsRpc *rpc);

/*
 * `arguments` (an object, or NULL) is consumed. The time limit covers the
 * whole call and starts when the calls before it are done.
 *
 * After TCS_ERROR_TIMEOUT, _PROTOCOL or _UNREACHABLE the connection is
 * unusable: calls in the queue and all later ones fail at once.
 * TCS_ERROR_COMMAND_NOT_FOUND and TCS_ERROR_PEER leave it usable.
 */
void tcs_rpc_call_async(TcsRpc *rpc, const char *command,
                        json_object *arguments, guint timeout_ms,
                        GAsyncReadyCallback callback, gpointer user_data);

/* The reply's "return" value, owned by the caller; NULL and an error. */
json_object *tcs_rpc_call_finish(TcsRpc *rpc, GAsyncResult *result,
                                 GError **error);

/*
 * What was wrong with an answer (error->message begins with the command), with
 * who gave it and what to do.
 */
void tcs_rpc_explain_answer(TcsRpc *rpc, GError *error, const char *advice);

G_END_DECLS

#endif
