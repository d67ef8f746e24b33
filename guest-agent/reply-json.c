/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes down the report as it is; computes nothing. Counters go out as
 * unsigned 64-bit integers.
 */
#include "reply-json.h"

static json_object *cpu_to_json(const struct tga_cpu *cpu)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "cpu", json_object_new_int(cpu->cpu));
    if (cpu->has_arch_id) {
        json_object_object_add(object, "arch-id",
                               json_object_new_int64(cpu->arch_id));
    }
    return object;
}

static json_object *reading_to_json(const struct tga_reading *reading)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "clock",
                           json_object_new_string(reading->clock));
    json_object_object_add(object, "cpu", json_object_new_int(reading->cpu));
    json_object_object_add(object, "counter-before",
                           json_object_new_uint64(reading->counter_before));
    json_object_object_add(object, "value",
                           json_object_new_uint64(reading->value));
    json_object_object_add(object, "counter-after",
                           json_object_new_uint64(reading->counter_after));
    json_object_object_add(object, "resolution-ns",
                           json_object_new_int64(reading->resolution_ns));
    json_object_object_add(object, "via", json_object_new_string(reading->via));
    if (reading->unit != NULL) {
        json_object_object_add(object, "unit",
                               json_object_new_string(reading->unit));
    }
    return object;
}

static json_object *unavailable_to_json(const struct tga_unavailable *entry)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "clock",
                           json_object_new_string(entry->clock));
    json_object_object_add(object, "reason",
                           json_object_new_string(entry->reason));
    return object;
}

static json_object *
realtime_error_to_json(const struct tga_realtime_error *error)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "synchronized",
                           json_object_new_boolean(error->is_synchronized));
    json_object_object_add(object, "max-error-ns",
                           json_object_new_uint64(error->max_error_ns));
    json_object_object_add(object, "estimated-error-ns",
                           json_object_new_uint64(error->estimated_error_ns));
    return object;
}

json_object *tga_report_to_json(const struct tga_report *report)
{
    json_object *cpus = json_object_new_array();
    json_object *readings = json_object_new_array();
    json_object *unavailable = json_object_new_array();
    json_object *reply = json_object_new_object();

    for (guint i = 0; i < report->cpus->len; i++) {
        json_object_array_add(
            cpus, cpu_to_json(&g_array_index(report->cpus, struct tga_cpu, i)));
    }
    for (guint i = 0; i < report->readings->len; i++) {
        json_object_array_add(
            readings, reading_to_json(&g_array_index(report->readings,
                                                     struct tga_reading, i)));
    }
    for (guint i = 0; i < report->unavailable->len; i++) {
        json_object_array_add(
            unavailable, unavailable_to_json(&g_array_index(
                             report->unavailable, struct tga_unavailable, i)));
    }
    json_object_object_add(reply, "counter",
                           json_object_new_string(report->counter));
    json_object_object_add(reply, "clocksource",
                           json_object_new_string(report->clocksource));
    json_object_object_add(reply, "boot-id",
                           json_object_new_string(report->boot_id));
    json_object_object_add(reply, "cpus", cpus);
    json_object_object_add(reply, "readings", readings);
    json_object_object_add(reply, "unavailable", unavailable);
    if (report->realtime_error.is_known) {
        json_object_object_add(reply, "realtime-error",
                               realtime_error_to_json(&report->realtime_error));
    }
    return reply;
}
