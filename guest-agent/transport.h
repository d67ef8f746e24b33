/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kind of stream the agent can be reached on. A new one is a file that
 * defines a table and a line in the list in server.c. A transport knows
 * nothing of the bytes.
 */
#ifndef GUEST_AGENT_TRANSPORT_H
#define GUEST_AGENT_TRANSPORT_H

#include "server.h"

struct tga_transport {
    const char *name; /* what precedes the colon */

    /*
     * Opens it. `where` is what follows the colon, NULL where there is none.
     * Returns false with *error set; it names `where`.
     */
    bool (*listen)(struct tga_server *server, const char *where,
                   GError **error);
};

extern const struct tga_transport tga_transport_serial;
extern const struct tga_transport tga_transport_tcp;
extern const struct tga_transport tga_transport_unix;
extern const struct tga_transport tga_transport_vsock;

/* For transports: serve what connects to a listening non-blocking socket. */
void tga_server_add_listener(struct tga_server *server, int fd);

/* For transports: call destroy(data) in tga_server_free(). */
void tga_server_own(struct tga_server *server, void *data,
                    GDestroyNotify destroy);

#endif
