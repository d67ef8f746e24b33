/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the arguments of guest-get-trace-clocks to a checked request. The wire
 * contract is qapi/guest-trace-clocks.json. Knows nothing of transports.
 */
#ifndef GUEST_AGENT_REQUEST_H
#define GUEST_AGENT_REQUEST_H

#include <json-c/json.h>

#include "clocks.h"

/*
 * `arguments`: a JSON object, or NULL for none given. Returns false with
 * *error set for anything the contract does not allow. After success
 * tga_request_clear() is due.
 */
bool tga_request_from_json(json_object *arguments,
                           struct tga_request *ret_request, GError **error);

/* An integer from `min` to `max`; `what` says which in *error. */
bool tga_argument_int(json_object *value, const char *what, int min, int max,
                      int *ret_value, GError **error);

/* Fails, naming it, where `arguments` has a member not in NULL-ended names. */
bool tga_arguments_check(json_object *arguments, const char *const *names,
                         GError **error);

#endif
