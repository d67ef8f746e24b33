/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See report-util.h.
 */
#include "report-util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "error.h"

char *tcs_format_seconds(gint64 ns)
{
    guint64 magnitude = ns < 0 ? -(guint64)ns : (guint64)ns;

    return g_strdup_printf("%s%" PRIu64 ".%09" PRIu64 " s", ns < 0 ? "-" : "",
                           magnitude / 1000000000, magnitude % 1000000000);
}

static void add_string(json_object *object, const char *member,
                       const char *value)
{
    json_object_object_add(object, member, json_object_new_string(value));
}

static void add_uint(json_object *object, const char *member, guint64 value)
{
    json_object_object_add(object, member, json_object_new_uint64(value));
}

static void add_int(json_object *object, const char *member, gint64 value)
{
    json_object_object_add(object, member, json_object_new_int64(value));
}

/* Nineteen digits survive; json-c would print fewer than a rate needs. */
static void add_double(json_object *object, const char *member, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_dtostr(text, sizeof(text), value);
    json_object_object_add(object, member,
                           json_object_new_double_s(value, text));
}

json_object *tcs_offset_to_json(const TcsOffset *offset)
{
    json_object *clock = json_object_new_object();

    add_string(clock, "guest", offset->guest);
    add_string(clock, "host", offset->host);
    add_int(clock, "guest-cpu", offset->guest_cpu);
    add_uint(clock, "guest-value", offset->guest_value);
    add_uint(clock, "host-value", offset->host_value);
    add_int(clock, "offset", offset->offset);
    add_string(clock, "unit", offset->is_ticks ? "ticks" : "ns");
    add_uint(clock, "bound", offset->bound);
    if (offset->has_rate) {
        add_double(clock, "rate", offset->rate);
        add_double(clock, "rate-bound", offset->rate_bound);
    } else {
        json_object_object_add(clock, "rate", NULL);
    }
    add_string(clock, "method", offset->method);
    return clock;
}

/*
 * json-c escapes ASCII's control characters only; others act on a terminal too,
 * and what QEMU said is passed on unread.
 */
static char *escape_non_ascii(const char *json)
{
    GString *text = g_string_new(NULL);

    for (const char *at = json; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (c < 0x7f) {
            g_string_append_c(text, (char)c);
        } else if (c < 0x10000) {
            g_string_append_printf(text, "\\u%04x", c);
        } else {
            g_string_append_printf(text, "\\u%04x\\u%04x",
                                   0xd800 + ((c - 0x10000) >> 10),
                                   0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

char *tcs_json_to_document(json_object *document)
{
    return escape_non_ascii(json_object_to_json_string_ext(
        document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
}

gboolean tcs_print(const char *text, GError **error)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot write to standard output: %s", g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}
