/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON from a peer that is not trusted: strict parsing, and members read with
 * type and range. Every failure is TCS_ERROR_PROTOCOL and names the member;
 * callers put the path in front with g_prefix_error().
 */
#ifndef COLLECTOR_JSON_UTIL_H
#define COLLECTOR_JSON_UTIL_H

#include <glib.h>
#include <json-c/json.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

#define TCS_JSON_MAX_DEPTH  32
#define TCS_JSON_MAX_VALUES 131072

/*
 * One JSON value and nothing after it. Refuses what json-c would bend:
 * integers beyond 64 bits, NaN, NUL in strings, members given twice, invalid
 * UTF-8; and anything too deep or with too many values.
 */
json_object *tcs_json_parse(const char *text, gsize length, GError **error);

gboolean tcs_json_has(json_object *object, const char *member);

/*
 * Types are strict: 1.0 and "1" are not integers, null is not a string.
 * `ret` may be NULL where only the check is wanted; it is left alone on
 * failure. Objects, arrays and strings returned belong to `object`.
 */
gboolean tcs_json_get_u64(json_object *object, const char *member, guint64 *ret,
                          GError **error);
gboolean tcs_json_get_i64(json_object *object, const char *member, gint64 *ret,
                          GError **error);
gboolean tcs_json_get_bool(json_object *object, const char *member,
                           gboolean *ret, GError **error);

/*
 * At most max_length bytes of UTF-8, all of it printable: safe to show on a
 * terminal.
 */
gboolean tcs_json_get_string(json_object *object, const char *member,
                             gsize max_length, const char **ret,
                             GError **error);
gboolean tcs_json_get_object(json_object *object, const char *member,
                             json_object **ret, GError **error);
gboolean tcs_json_get_array(json_object *object, const char *member,
                            gsize max_count, json_object **ret, GError **error);

/*
 * Any bytes as a line for a terminal: what is not printable becomes '?', and
 * "..." follows where it was cut.
 */
char *tcs_printable(const char *bytes, gsize length, gsize max_length);

G_END_DECLS

#endif
