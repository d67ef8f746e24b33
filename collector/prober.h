/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts a method's question to the agent many times in a row, with the host's
 * counter read around each, and keeps the answers.
 */
#ifndef COLLECTOR_PROBER_H
#define COLLECTOR_PROBER_H

#include "evidence.h"
#include "rpc.h"

G_BEGIN_DECLS

/*
 * Asks as often as evidence->method says, or as often as a fifth of a second
 * allows, at least once; answers go to evidence->records. `cpu`: the guest CPU
 * to ask of; where it is negative the guest chooses for the first answer and
 * stays there. timeout_ms: for each question. All three outlive the call.
 *
 * Never fails: what went wrong is in evidence->error, and nothing is asked
 * where there is one already. After an error the connection may be unusable
 * (rpc.h).
 */
void tcs_prober_async(TcsRpc *agent, TcsEvidence *evidence, gint64 cpu,
                      guint timeout_ms, GAsyncReadyCallback callback,
                      gpointer user_data);

/* The guest CPU that answered, or the one given. */
gint64 tcs_prober_finish(GAsyncResult *result);

G_END_DECLS

#endif
