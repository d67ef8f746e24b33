/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-get-trace-clocks as a whole, the same for every edge of the agent:
 * its sockets, --once, and qemu-ga. Knows none of them.
 */
#ifndef GUEST_AGENT_ANSWER_H
#define GUEST_AGENT_ANSWER_H

#include <glib.h>
#include <json-c/json.h>

/* A new reply to `arguments` (an object or NULL); NULL with *error set. */
json_object *tga_answer(json_object *arguments, GError **error);

#endif
