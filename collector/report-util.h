/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reports of several verbs have in common.
 */
#ifndef COLLECTOR_REPORT_UTIL_H
#define COLLECTOR_REPORT_UTIL_H

#include "json-util.h"
#include "offsets.h"

G_BEGIN_DECLS

/* Nanoseconds as seconds with all nine digits, without going through double. */
char *tcs_format_seconds(gint64 ns);

/* One element of "clocks" (DESIGN 5.3). */
json_object *tcs_offset_to_json(const TcsOffset *offset);

/* A document as text in ASCII, ending in a newline: safe on a terminal. */
char *tcs_json_to_document(json_object *document);

/* Prints to standard output. FALSE and TCS_ERROR_FILE where that fails. */
gboolean tcs_print(const char *text, GError **error);

G_END_DECLS

#endif
