/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A number of a reply that is made as late as can be: when the reply is made
 * into text. Knows nothing of clocks.
 */
#ifndef GUEST_AGENT_LATE_NUMBER_H
#define GUEST_AGENT_LATE_NUMBER_H

#include <stdint.h>

#include <json-c/json.h>

/*
 * A new number that is `make(data)`, anew each time it is made into text.
 * Takes `data`; `release(data)` is called when the number is freed.
 */
json_object *tga_late_uint64(uint64_t (*make)(void *data), void *data,
                             void (*release)(void *data));

#endif
