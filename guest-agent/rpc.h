/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's protocol on one stream: a JSON object a line in, one a line out,
 * as qemu-ga speaks it. Bytes in, bytes out; knows nothing of transports.
 */
#ifndef GUEST_AGENT_RPC_H
#define GUEST_AGENT_RPC_H

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "stamp.h"

#define TGA_RPC_LINE_MAX  (64 * 1024) /* bytes, the newline not counted */
#define TGA_RPC_DEPTH_MAX 32

struct tga_rpc;

struct tga_rpc *tga_rpc_new(void);
void tga_rpc_free(struct tga_rpc *rpc);

/*
 * Takes bytes up to the end of the first request among them, and appends its
 * reply (if it gets one) to `reply`. Returns the number of bytes taken, at
 * least 1 where len > 0; so at most one reply is ever waiting to be sent.
 * `arrival` was taken when the last of `data` had come.
 *
 * A line that is not a request gets an error reply; the next line is read
 * afresh. A byte 0xFF drops what came of the line before it.
 */
size_t tga_rpc_feed(struct tga_rpc *rpc, const struct tga_stamp *arrival,
                    const uint8_t *data, size_t len, GString *reply);

/* Appends an error as rpc itself would send it. */
void tga_rpc_append_error(GString *reply, const char *description);

#endif
