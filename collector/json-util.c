/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict parsing and typed members of untrusted JSON. Knows no schema.
 */
#include "json-util.h"

#include <string.h>

#include "error.h"
#include "json-scan.h"

#define protocol_error(error, ...) \
    g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL, __VA_ARGS__)

/* Members that json-c kept; fewer than colons where some were given twice. */
static gsize count_members(json_object *value)
{
    gsize count = 0;

    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            count += 1 + count_members(member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (gsize i = 0; i < json_object_array_length(value); i++) {
            count += count_members(json_object_array_get_idx(value, i));
        }
    }
    return count;
}

json_object *tcs_json_parse(const char *text, gsize length, GError **error)
{
    json_tokener *tokener;
    json_object *value;
    enum json_tokener_error status;
    gsize members;

    if (!g_utf8_validate_len(text, length, NULL)) {
        protocol_error(error, "not acceptable JSON: not UTF-8");
        return NULL;
    }
    if (length > G_MAXINT32 || !tcs_json_scan(text, length, &members, error)) {
        return NULL;
    }

    /* json-c counts a scalar as a level; the scan has set the limit. */
    tokener = json_tokener_new_ex(TCS_JSON_MAX_DEPTH + 2);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    value = json_tokener_parse_ex(tokener, text, length);
    status = json_tokener_get_error(tokener);
    if (status == json_tokener_continue) {
        /* A number at the very end is finished only by what follows it. */
        value = json_tokener_parse_ex(tokener, "", 1);
        status = json_tokener_get_error(tokener);
    }
    json_tokener_free(tokener);
    if (status != json_tokener_success) {
        protocol_error(error, "not acceptable JSON: %s",
                       status == json_tokener_continue
                           ? "incomplete"
                           : json_tokener_error_desc(status));
        json_object_put(value);
        return NULL;
    }
    if (value == NULL) {
        protocol_error(error, "not acceptable JSON: a bare null");
        return NULL;
    }
    if (count_members(value) != members) {
        protocol_error(error, "not acceptable JSON: a member is given twice");
        json_object_put(value);
        return NULL;
    }
    return value;
}

gboolean tcs_json_has(json_object *object, const char *member)
{
    return json_object_is_type(object, json_type_object) &&
           json_object_object_get_ex(object, member, NULL);
}

static gboolean get_member(json_object *object, const char *member,
                           json_type type, const char *wanted,
                           json_object **ret, GError **error)
{
    if (!json_object_is_type(object, json_type_object)) {
        protocol_error(error, "not an object, so it has no '%s'", member);
        return FALSE;
    }
    if (!json_object_object_get_ex(object, member, ret)) {
        protocol_error(error, "'%s' is missing", member);
        return FALSE;
    }
    if (!json_object_is_type(*ret, type)) {
        protocol_error(error, "'%s' is not %s but %s", member, wanted,
                       json_type_to_name(json_object_get_type(*ret)));
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_json_get_u64(json_object *object, const char *member, guint64 *ret,
                          GError **error)
{
    json_object *value;

    if (!get_member(object, member, json_type_int, "an integer", &value,
                    error)) {
        return FALSE;
    }
    if (json_object_get_int64(value) < 0) {
        protocol_error(error, "'%s' is negative", member);
        return FALSE;
    }
    if (ret) {
        *ret = json_object_get_uint64(value);
    }
    return TRUE;
}

gboolean tcs_json_get_i64(json_object *object, const char *member, gint64 *ret,
                          GError **error)
{
    json_object *value;

    if (!get_member(object, member, json_type_int, "an integer", &value,
                    error)) {
        return FALSE;
    }
    if (json_object_get_uint64(value) > G_MAXINT64) {
        protocol_error(error, "'%s' is beyond a signed 64-bit integer", member);
        return FALSE;
    }
    if (ret) {
        *ret = json_object_get_int64(value);
    }
    return TRUE;
}

gboolean tcs_json_get_bool(json_object *object, const char *member,
                           gboolean *ret, GError **error)
{
    json_object *value;

    if (!get_member(object, member, json_type_boolean, "a boolean", &value,
                    error)) {
        return FALSE;
    }
    if (ret) {
        *ret = json_object_get_boolean(value);
    }
    return TRUE;
}

/* Neither controls nor the formatting characters that reorder a line. */
static gboolean is_printable(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return FALSE;
    default:
        return g_unichar_isprint(c);
    }
}

gboolean tcs_json_get_string(json_object *object, const char *member,
                             gsize max_length, const char **ret, GError **error)
{
    json_object *value;
    const char *text;

    if (!get_member(object, member, json_type_string, "a string", &value,
                    error)) {
        return FALSE;
    }
    if ((gsize)json_object_get_string_len(value) > max_length) {
        protocol_error(error, "'%s' is longer than %zu bytes", member,
                       max_length);
        return FALSE;
    }
    text = json_object_get_string(value);
    for (const char *at = text; *at; at = g_utf8_next_char(at)) {
        if (!is_printable(g_utf8_get_char(at))) {
            protocol_error(error, "'%s' contains unprintable characters",
                           member);
            return FALSE;
        }
    }
    if (ret) {
        *ret = text;
    }
    return TRUE;
}

gboolean tcs_json_get_object(json_object *object, const char *member,
                             json_object **ret, GError **error)
{
    json_object *value;

    if (!get_member(object, member, json_type_object, "an object", &value,
                    error)) {
        return FALSE;
    }
    if (ret) {
        *ret = value;
    }
    return TRUE;
}

gboolean tcs_json_get_array(json_object *object, const char *member,
                            gsize max_count, json_object **ret, GError **error)
{
    json_object *value;

    if (!get_member(object, member, json_type_array, "an array", &value,
                    error)) {
        return FALSE;
    }
    if (json_object_array_length(value) > max_count) {
        protocol_error(error, "'%s' has more than %zu elements", member,
                       max_count);
        return FALSE;
    }
    if (ret) {
        *ret = value;
    }
    return TRUE;
}

char *tcs_printable(const char *bytes, gsize length, gsize max_length)
{
    GString *line = g_string_new(NULL);
    const char *at = bytes;
    const char *end = bytes + length;

    while (at < end) {
        gunichar c = g_utf8_get_char_validated(at, end - at);
        gboolean valid = c != (gunichar)-1 && c != (gunichar)-2;

        if (line->len >= max_length) {
            g_string_append(line, "...");
            break;
        }
        if (valid && is_printable(c)) {
            g_string_append_unichar(line, c);
        } else {
            g_string_append_c(line, valid && g_unichar_isspace(c) ? ' ' : '?');
        }
        at = valid ? g_utf8_next_char(at) : at + 1;
    }
    return g_string_free(line, FALSE);
}
