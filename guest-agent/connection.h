/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One peer on a byte stream: reads requests, writes replies, in GLib's main
 * loop. Knows nothing of what the stream is nor of the commands.
 */
#ifndef GUEST_AGENT_CONNECTION_H
#define GUEST_AGENT_CONNECTION_H

#include <glib.h>

struct tga_connection;

/* The stream ended, failed, or its peer does not read. Must free. */
typedef void tga_connection_ended(struct tga_connection *connection,
                                  void *data);

/* `fd`: non-blocking; stays the caller's and must outlive the connection. */
struct tga_connection *tga_connection_new(int fd, tga_connection_ended *ended,
                                          void *data);
void tga_connection_free(struct tga_connection *connection);

int tga_connection_fd(const struct tga_connection *connection);

/* Since its last whole request, or since it began. Half a request is none. */
gint64 tga_connection_quiet_us(const struct tga_connection *connection);

#endif
