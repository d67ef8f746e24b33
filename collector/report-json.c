/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `show --json`. The vCPUs are passed on as QMP gave them.
 */
#include "report.h"

#include "report-util.h"

static void add_string(json_object *object, const char *member,
                       const char *value)
{
    json_object_object_add(object, member, json_object_new_string(value));
}

static void add_int(json_object *object, const char *member, gint64 value)
{
    json_object_object_add(object, member, json_object_new_int64(value));
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
        json_object_array_add(clocks, tcs_offset_to_json(&g_array_index(
                                          offsets->offsets, TcsOffset, i)));
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
    return tcs_json_to_document(report);
}
