/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a report to the reply of guest-get-trace-clocks, member by member as in
 * qapi/guest-trace-clocks.json. Knows nothing of transports.
 */
#ifndef GUEST_AGENT_REPLY_JSON_H
#define GUEST_AGENT_REPLY_JSON_H

#include <json-c/json.h>

#include "clocks.h"

/* How every reply is written: one line, slashes as they are. */
#define TGA_JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* A new object that no longer needs the report. */
json_object *tga_report_to_json(const struct tga_report *report);

#endif
