/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Validate, call, convert; nothing else happens here. Knows no transport.
 */
#include "answer.h"

#include "clocks.h"
#include "reply-json.h"
#include "request.h"

json_object *tga_answer(json_object *arguments, GError **error)
{
    struct tga_request request;
    struct tga_report report;
    json_object *reply = NULL;

    if (!tga_request_from_json(arguments, &request, error)) {
        return NULL;
    }
    if (tga_read_clocks(&request, &report, error)) {
        reply = tga_report_to_json(&report);
        tga_report_clear(&report);
    }
    tga_request_clear(&request);
    return reply;
}
