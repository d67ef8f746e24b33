/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `show --json`. The vCPUs are passed on as QMP gave them.
 */
#include "report.h"

#include "json-util.h"

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

static json_object *clock_new(const TcsOffset *offset)
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

char *tcs_report_json(const char *vm, const TcsSample *sample,
                      const TcsOffsets *offsets)
{
    g_autoptr(json_object) report = json_object_new_object();
    json_object *clocks = json_object_new_array();
    json_object *refused = json_object_new_array();
    const TcsQmpReply *reply = sample->qmp_after;

    add_string(report, "vm", vm);
    add_string(report, "accel", reply->accel);
    json_object_object_add(report, "running",
                           json_object_new_boolean(reply->running));
    add_int(report, "generation", reply->generation);
    json_object_object_add(report, "vcpus",
                           json_object_get(json_object_object_get(
                               sample->qmp_after_json, "vcpus")));
    for (guint i = 0; i < offsets->offsets->len; i++) {
        json_object_array_add(
            clocks, clock_new(&g_array_index(offsets->offsets, TcsOffset, i)));
    }
    json_object_object_add(report, "clocks", clocks);
    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);
        json_object *object = json_object_new_object();

        add_string(object, "guest", refusal->guest);
        if (refusal->host[0]) {
            add_string(object, "host", refusal->host);
        }
        add_string(object, "reason", refusal->reason);
        json_object_array_add(refused, object);
    }
    json_object_object_add(report, "refused", refused);
    return escape_non_ascii(json_object_to_json_string_ext(
        report, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
}
