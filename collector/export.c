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

static void tell_gaps(const GPtrArray *tables)
{
    for (guint i = 0; i < tables->len; i++) {
        const TcsShiftTable *table = g_ptr_array_index(tables, i);

        for (guint g = 0; g < table->gaps->len; g++) {
            const TcsShiftGap *gap =
                &g_array_index(table->gaps, TcsShiftGap, g);

            tcs_export_note("warning: a clock changed between the stamps "
                            "%" PRIu64 " and %" PRIu64
                            ", where nothing is known",
                            gap->from, gap->to);
        }
    }
}

void tcs_export_tell_bound(const TcsExport *export, TcsLineError error,
                           guint64 spread)
{
    const GPtrArray *tables = export->alignment.tables;
    const TcsShiftTable *first = g_ptr_array_index(tables, 0);
    const char *unit = tcs_export_unit(export);

    tcs_export_note("guest %s as host %s: within %" PRIu64
                    " %s, half of the time within %" PRIu64
                    "; for stamps from %" PRIu64 " to %" PRIu64 "%s",
                    export->alignment.guest_clock, export->alignment.host_clock,
                    error.worst, unit, error.half, point_time(first, 0),
                    point_time(first, first->points->len - 1),
                    tables->len > 1 ? " of the first CPU" : "");
    if (spread > 1) {
        tcs_export_note("warning: the clocks of the guest's CPUs differ by "
                        "%" PRIu64 " %s, and the format takes one relation "
                        "for all",
                        spread, unit);
    }
    tell_gaps(tables);
    if (error.elsewhere > error.worst) {
        tcs_export_note("warning: the format takes one relation; this is the "
                        "longest part's without a change, and elsewhere up to "
                        "%" PRIu64 " %s off. `trace-clock-sync apply` or "
                        "`map` know all parts",
                        error.elsewhere, unit);
    }
}
