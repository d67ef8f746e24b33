/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a new kind of connection implements: embed TcsRpc as the first member,
 * fill a TcsRpcClass. For implementations only; users include rpc.h.
 */
#ifndef COLLECTOR_RPC_IMPL_H
#define COLLECTOR_RPC_IMPL_H

#include "rpc.h"

G_BEGIN_DECLS

typedef struct {
    /*
     * Never called while another call is outstanding. Returns a json_object or
     * a TCS_ERROR through `task`, whose reference it takes over, and keeps to
     * `deadline` (g_get_monotonic_time()). `arguments` stays the caller's and
     * lives as long as the task.
     */
    void (*call)(TcsRpc *rpc, const char *command, json_object *arguments,
                 gint64 deadline, GTask *task);
    void (*free)(TcsRpc *rpc);
} TcsRpcClass;

struct TcsRpc {
    const TcsRpcClass *klass;
    gatomicrefcount refs;
    char *name;
    GQueue waiting; /* of GTask */
    gboolean busy;
    GError *broken; /* why no further call can be made */
};

void tcs_rpc_init(TcsRpc *rpc, const TcsRpcClass *klass, const char *name);

/* Milliseconds left until the deadline, at least 1. */
guint tcs_deadline_left_ms(gint64 deadline);
gint64 tcs_deadline_after_ms(guint timeout_ms);

/* For g_task_return_pointer(). */
void tcs_json_object_free(gpointer object);

G_END_DECLS

#endif
