/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that a sample asks of the guest: the methods' questions, its
 * clocks, and the methods' questions again.
 */
#ifndef COLLECTOR_ASK_GUEST_H
#define COLLECTOR_ASK_GUEST_H

#include "rpc.h"
#include "session.h"

G_BEGIN_DECLS

/*
 * Fills the guest's part of `sample`, its evidence and its local clocks, and
 * the agent's part of `local`; sample->qmp_before is there already. `cpu`: of
 * the guest, where the methods ask; negative: where it likes, and there all the
 * time. All that is passed outlives the call.
 */
void tcs_ask_guest_async(TcsRpc *agent, const TcsSessionOptions *options,
                         gint64 cpu, TcsSample *sample, TcsLocalCounters *local,
                         GAsyncReadyCallback callback, gpointer user_data);

/* *ret_cpu: the CPU the methods asked on, as given where none did. */
gboolean tcs_ask_guest_finish(GAsyncResult *result, gint64 *ret_cpu,
                              GError **error);

G_END_DECLS

#endif
