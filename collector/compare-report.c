/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `compare` found, for people and for programs.
 */
#include "compare.h"

#include <inttypes.h>

#include "report-util.h"
#include "table.h"

static const TcsComparedMethod *find_method(const TcsComparison *comparison,
                                            const char *name)
{
    for (guint i = 0; i < comparison->methods->len; i++) {
        const TcsComparedMethod *method =
            &g_array_index(comparison->methods, TcsComparedMethod, i);

        if (g_str_equal(method->method->name, name)) {
            return method;
        }
    }
    g_assert_not_reached();
}

static void add_row(TcsTable *table, const TcsComparison *comparison,
                    const TcsComparisonRow *row)
{
    const TcsOffset *offset = &row->offset;
    const char *unit = offset->is_ticks ? "ticks" : "ns";
    g_autofree char *seconds = tcs_format_seconds(offset->offset);

    tcs_table_cell(table, "%s", offset->guest);
    tcs_table_cell(table, "%" PRId64, offset->guest_cpu);
    tcs_table_cell(table, "%s", offset->method);
    if (offset->is_ticks) {
        tcs_table_cell(table, "%" PRId64 " ticks", offset->offset);
    } else {
        tcs_table_cell(table, "%s", seconds);
    }
    tcs_table_cell(table, "%" PRIu64 " %s", offset->bound, unit);
    if (row->has_truth) {
        tcs_table_cell(table, "%" PRId64 " %s", row->difference, unit);
        tcs_table_cell(table, "%s", row->holds ? "yes" : "NO");
    } else {
        tcs_table_cell(table, "-");
        tcs_table_cell(table, "-");
    }
    tcs_table_cell(table, "%.1f ms",
                   (double)find_method(comparison, offset->method)->took_us /
                       1e3);
}

char *tcs_comparison_text(const char *vm, const TcsSample *sample,
                          const TcsComparison *comparison)
{
    static const char *const columns[] = {
        "<clock", ">CPU",    "<method", ">offset (guest - host)",
        ">+/-",   ">off by", "<holds",  ">took",
        NULL,
    };
    static const char *const refused_columns[] = { "<method",
                                                   "<refused, because", NULL };
    g_autoptr(TcsTable) table = tcs_table_new(columns);
    g_autoptr(TcsTable) refused = tcs_table_new(refused_columns);
    GString *text = g_string_new(NULL);
    guint reasons = 0;

    g_string_append_printf(text, "VM %s: %s, counter %s\n\n", vm,
                           sample->qmp_after->accel,
                           sample->qmp_after->counter);
    for (guint i = 0; i < comparison->rows->len; i++) {
        add_row(table, comparison,
                &g_array_index(comparison->rows, TcsComparisonRow, i));
    }
    tcs_table_print(table, text);
    for (guint i = 0; i < comparison->methods->len; i++) {
        const TcsComparedMethod *method =
            &g_array_index(comparison->methods, TcsComparedMethod, i);

        if (method->reason) {
            tcs_table_cell(refused, "%s", method->method->name);
            tcs_table_cell(refused, "%s", method->reason);
            reasons++;
        }
    }
    if (reasons > 0) {
        g_string_append_c(text, '\n');
        tcs_table_print(refused, text);
    }
    return g_string_free(text, FALSE);
}

static json_object *method_new(const TcsComparedMethod *method)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "method",
                           json_object_new_string(method->method->name));
    if (method->reason) {
        json_object_object_add(object, "reason",
                               json_object_new_string(method->reason));
    } else {
        json_object_object_add(object, "took-us",
                               json_object_new_int64(method->took_us));
    }
    return object;
}

static json_object *row_new(const TcsComparisonRow *row)
{
    json_object *object = tcs_offset_to_json(&row->offset);

    if (row->has_truth) {
        json_object_object_add(object, "difference",
                               json_object_new_int64(row->difference));
        json_object_object_add(object, "holds",
                               json_object_new_boolean(row->holds));
    }
    return object;
}

char *tcs_comparison_json(const char *vm, const TcsSample *sample,
                          const TcsComparison *comparison)
{
    g_autoptr(json_object) report = json_object_new_object();
    json_object *methods = json_object_new_array();
    json_object *rows = json_object_new_array();

    json_object_object_add(report, "vm", json_object_new_string(vm));
    json_object_object_add(report, "accel",
                           json_object_new_string(sample->qmp_after->accel));
    for (guint i = 0; i < comparison->methods->len; i++) {
        json_object_array_add(methods,
                              method_new(&g_array_index(comparison->methods,
                                                        TcsComparedMethod, i)));
    }
    json_object_object_add(report, "methods", methods);
    for (guint i = 0; i < comparison->rows->len; i++) {
        json_object_array_add(
            rows,
            row_new(&g_array_index(comparison->rows, TcsComparisonRow, i)));
    }
    json_object_object_add(report, "clocks", rows);
    return tcs_json_to_document(report);
}
