/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serves the agent's commands on any number of listeners at once, in GLib's
 * main loop. Knows the list of transports, and nothing inside any of them.
 */
#ifndef GUEST_AGENT_SERVER_H
#define GUEST_AGENT_SERVER_H

#include <stdbool.h>

#include <glib.h>

struct tga_server;

struct tga_server *tga_server_new(void);

/* `where`: "vsock:1234", "unix:/run/x", ...; false with *error set. */
bool tga_server_listen(struct tga_server *server, const char *where,
                       GError **error);

/* Serves until SIGTERM or SIGINT. */
void tga_server_run(struct tga_server *server);

/* Closes everything and removes what listening has created. */
void tga_server_free(struct tga_server *server);

#endif
