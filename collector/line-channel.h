/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines over a socket: send something, get the next line, within a deadline
 * and a size limit. Knows nothing of JSON.
 */
#ifndef COLLECTOR_LINE_CHANNEL_H
#define COLLECTOR_LINE_CHANNEL_H

#include <gio/gio.h>

G_BEGIN_DECLS

#define TCS_LINE_LIMIT (4u << 20)

typedef struct TcsLineChannel TcsLineChannel;

/* Takes over the non-blocking socket. `name` is what messages call the peer. */
TcsLineChannel *tcs_line_channel_new(int fd, const char *name);
TcsLineChannel *tcs_line_channel_ref(TcsLineChannel *channel);
void tcs_line_channel_unref(TcsLineChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsLineChannel, tcs_line_channel_unref)

const char *tcs_line_channel_name(TcsLineChannel *channel);

/*
 * Sends `request` (may be NULL) and returns the next line that is not blank,
 * without its end. One exchange at a time. `deadline` is a
 * g_get_monotonic_time(); bytes that drip in do not extend it. `what` is named
 * in errors: TCS_ERROR_TIMEOUT, _UNREACHABLE (the peer closed) and _PROTOCOL
 * (a line beyond TCS_LINE_LIMIT). After an error the channel is of no use.
 */
void tcs_line_channel_exchange_async(TcsLineChannel *channel, GBytes *request,
                                     const char *what, gint64 deadline,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
GBytes *tcs_line_channel_exchange_finish(GAsyncResult *result, GError **error);

/* Whether the peer has sent anything but blank lines that was not read yet. */
gboolean tcs_line_channel_has_unread(TcsLineChannel *channel);

G_END_DECLS

#endif
