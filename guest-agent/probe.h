/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-trace-clock-probe as a whole, the same for every edge of the agent.
 * Knows none of them, and no clock but the counter.
 */
#ifndef GUEST_AGENT_PROBE_H
#define GUEST_AGENT_PROBE_H

#include <glib.h>
#include <json-c/json.h>

#include "stamp.h"

/*
 * A new reply to `arguments` (an object or NULL), which had come at `arrival`;
 * NULL with *error set.
 *
 * The reply's counter-transmit is taken anew each time the reply is made into
 * text; do that last. Until the reply is freed the thread may be kept on one
 * CPU.
 */
json_object *tga_probe(json_object *arguments, const struct tga_stamp *arrival,
                       GError **error);

#endif
