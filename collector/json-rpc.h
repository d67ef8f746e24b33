/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and replies as QMP and the guest agent share them, one a line, over
 * a line channel that is ready for commands. Knows no greeting, no
 * synchronisation and no particular command.
 */
#ifndef COLLECTOR_JSON_RPC_H
#define COLLECTOR_JSON_RPC_H

#include "line-channel.h"
#include "rpc.h"

G_BEGIN_DECLS

typedef enum {
    TCS_JSON_RPC_QMP,   /* requests have ids, events come in between */
    TCS_JSON_RPC_AGENT, /* neither: not every qemu-ga takes an id */
} TcsJsonRpcKind;

TcsRpc *tcs_json_rpc_new(TcsLineChannel *channel, TcsJsonRpcKind kind);

/* A peer's "error" member as ours; `name` is who sent it. */
GError *tcs_json_rpc_error(const char *name, const char *command,
                           json_object *error);

/* The request as a line. `arguments` and `id` may be NULL. */
GBytes *tcs_json_rpc_request(const char *command, json_object *arguments,
                             const char *id);

G_END_DECLS

#endif
