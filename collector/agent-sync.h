/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings a guest agent's stream to a known state: what was asked before by
 * someone else, and half-read requests, are over after this.
 */
#ifndef COLLECTOR_AGENT_SYNC_H
#define COLLECTOR_AGENT_SYNC_H

#include "line-channel.h"

G_BEGIN_DECLS

void tcs_agent_sync_async(TcsLineChannel *channel, gint64 deadline,
                          GAsyncReadyCallback callback, gpointer user_data);
gboolean tcs_agent_sync_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
