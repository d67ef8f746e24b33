/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See export.h.
 */
#include "export.h"

#include <inttypes.h>
#include <stdio.h>

#include "trace-clock.h"

gboolean tcs_export_compute(TcsExport *export, GError **error)
{
    /* The CPUs of all traces that this guest may make. */
    const TcsTraceFile any = { .path = export->alignment.log->vm,
                               .dat = { .cpus = (uint32_t *)export->cpus->data,
                                        .n_cpus = export->cpus->len } };

    return tcs_alignment_compute(&export->alignment, &any, error);
}

const char *tcs_export_unit(const TcsExport *export)
{
    return tcs_trace_clock_is_counter(export->alignment.host_clock) ? "ticks"
                                                                    : "ns";
}

void tcs_export_note(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s\n", g_get_prgname(), text);
}

static guint64 point_time(const TcsShiftTable *table, guint i)
{
    return g_array_index(table->points, struct tcs_trace_dat_point, i).time;
}

void tcs_export_tell_bound(const TcsExport *export, const GPtrArray *tables,
                           guint64 error)
{
    const TcsShiftTable *first = g_ptr_array_index(tables, 0);

    tcs_export_note("guest %s as host %s: within %" PRIu64
                    " %s of the truth, for stamps from %" PRIu64 " to %" PRIu64
                    "%s",
                    export->alignment.guest_clock, export->alignment.host_clock,
                    error, tcs_export_unit(export), point_time(first, 0),
                    point_time(first, first->points->len - 1),
                    tables->len > 1 ? " (of the first CPU)" : "");
    for (guint i = 0; i < tables->len; i++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, i);

        for (guint g = 0; g < table->gaps->len; g++) {
            const TcsShiftGap *gap =
                &g_array_index(table->gaps, TcsShiftGap, g);

            tcs_export_note("warning: the clock changed between %" PRIu64
                            " and %" PRIu64
                            ", where nothing is known; what is exported is "
                            "one relation for before and after",
                            gap->from, gap->to);
        }
    }
}
