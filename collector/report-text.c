/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `show` for people: the vCPU table, the clock table, what was refused.
 */
#include "report.h"

#include <inttypes.h>

#include "host-view.h"
#include "report-util.h"
#include "table.h"

static char *format_ratio(const struct tcs_counter_map *map)
{
    if (map->multiplier == (guint64)1 << map->shift) {
        return g_strdup("1");
    }
    return g_strdup_printf("%" PRIu64 "/2^%u", map->multiplier, map->shift);
}

static void add_vcpu(TcsTable *table, const TcsVcpu *vcpu)
{
    g_autofree char *ratio = vcpu->has_map ? format_ratio(&vcpu->map) : NULL;

    tcs_table_cell(table, "%" PRId64, vcpu->cpu_index);
    if (vcpu->thread_id) {
        tcs_table_cell(table, "%" PRId64, vcpu->thread_id);
    } else {
        tcs_table_cell(table, "?");
    }
    if (vcpu->has_map) {
        tcs_table_cell(table, "%" PRId64, vcpu->map.offset);
        tcs_table_cell(table, "%" PRIu64, vcpu->map.offset_bound);
        tcs_table_cell(table, "%s", ratio);
        tcs_table_cell(table, "%s, %s", vcpu->source, vcpu->ratio_source);
    } else {
        for (int i = 0; i < 4; i++) {
            tcs_table_cell(table, "?");
        }
    }
    tcs_table_cell(table, "%s", vcpu->stable ? "yes" : "no");
}

static void add_vcpus(GString *text, const TcsQmpReply *reply)
{
    static const char *const columns[] = {
        ">vCPU",  ">thread",     ">offset (ticks)", ">+/-",
        "<ratio", "<known from", "<stable",         NULL,
    };
    g_autoptr(TcsTable) table = tcs_table_new(columns);

    for (guint i = 0; i < reply->vcpus->len; i++) {
        add_vcpu(table, &g_array_index(reply->vcpus, TcsVcpu, i));
    }
    tcs_table_print(table, text);
    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (!vcpu->stable) {
            g_string_append_printf(text, "vCPU %" PRId64 " is not stable: %s\n",
                                   vcpu->cpu_index, vcpu->reason);
        }
    }
}

static void add_offset(TcsTable *table, const TcsOffset *offset)
{
    if (g_str_equal(offset->guest, offset->host)) {
        tcs_table_cell(table, "%s", offset->guest);
    } else {
        tcs_table_cell(table, "%s - host's %s", offset->guest, offset->host);
    }
    tcs_table_cell(table, "%" PRId64, offset->guest_cpu);
    if (offset->is_ticks) {
        tcs_table_cell(table, "%" PRId64 " ticks", offset->offset);
        tcs_table_cell(table, "%" PRIu64 " ticks", offset->bound);
        if (!offset->has_rate) {
            tcs_table_cell(table, "-");
        } else if (offset->rate_bound > 0) {
            tcs_table_cell(table, "%.6f +/- %.6f", offset->rate,
                           offset->rate_bound);
        } else {
            tcs_table_cell(table, "%.9f", offset->rate);
        }
    } else {
        g_autofree char *seconds = tcs_format_seconds(offset->offset);

        tcs_table_cell(table, "%s", seconds);
        tcs_table_cell(table, "%" PRIu64 " ns", offset->bound);
        if (offset->has_rate) {
            tcs_table_cell(table, "%+.2f +/- %.2f ppm",
                           (offset->rate - 1) * 1e6, offset->rate_bound * 1e6);
        } else {
            tcs_table_cell(table, "-");
        }
    }
    tcs_table_cell(table, "%s", offset->method);
}

static void add_offsets(GString *text, const TcsOffsets *offsets)
{
    static const char *const columns[] = {
        "<clock",  ">CPU", ">offset (guest - host)", ">+/-", ">rate",
        "<method", NULL,
    };
    g_autoptr(TcsTable) table = tcs_table_new(columns);

    for (guint i = 0; i < offsets->offsets->len; i++) {
        add_offset(table, &g_array_index(offsets->offsets, TcsOffset, i));
    }
    tcs_table_print(table, text);
}

static void add_refusals(GString *text, const TcsOffsets *offsets)
{
    static const char *const columns[] = { "<clock", "<no offset, because",
                                           NULL };
    g_autoptr(TcsTable) table = tcs_table_new(columns);

    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        if (refusal->host[0] && !g_str_equal(refusal->guest, refusal->host)) {
            tcs_table_cell(table, "%s - host's %s", refusal->guest,
                           refusal->host);
        } else {
            tcs_table_cell(table, "%s", refusal->guest);
        }
        tcs_table_cell(table, "%s", refusal->reason);
    }
    tcs_table_print(table, text);
}

char *tcs_report_text(const char *vm, const char *route,
                      const TcsSample *sample, const TcsOffsets *offsets)
{
    GString *text = g_string_new(NULL);
    const TcsQmpReply *reply = sample->qmp_after;
    gboolean is_asked = !g_str_equal(reply->accel, TCS_ACCEL_UNKNOWN);

    if (is_asked) {
        g_string_append_printf(
            text, "VM %s: %s, %s, counter %s, generation %" PRId64 "\n", vm,
            reply->accel, reply->running ? "running" : "paused", reply->counter,
            reply->generation);
    } else {
        g_string_append_printf(
            text, "VM %s: its hypervisor was not asked; counter %s\n", vm,
            reply->counter);
    }
    if (sample->guest) {
        g_string_append_printf(
            text, "guest: clocksource %s, boot id %s, asked through %s\n",
            sample->guest->clocksource, sample->guest->boot_id,
            route ? route : "?");
    }
    g_string_append_c(text, '\n');
    if (is_asked && reply->vcpus->len == 0) {
        g_string_append(text, "The VM has no vCPU.\n");
        return g_string_free(text, FALSE);
    }
    if (is_asked) {
        add_vcpus(text, reply);
    }
    if (offsets->offsets->len > 0) {
        if (is_asked) {
            g_string_append_c(text, '\n');
        }
        add_offsets(text, offsets);
    }
    if (offsets->refusals->len > 0) {
        g_string_append_c(text, '\n');
        add_refusals(text, offsets);
    }
    return g_string_free(text, FALSE);
}
