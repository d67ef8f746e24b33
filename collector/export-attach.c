/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `export LOG trace-cmd-attach`: the command line of trace-cmd's attach, which
 * there is since 3.2.
 */
#include "export.h"

#include <inttypes.h>

#include "clockread/counter-kind.h"
#include "error.h"
#include "guest-vcpu.h"
#include "trace-clock.h"

/*
 * A counter that is scaled: attach would multiply by KVM's ratio where one must
 * divide, in 64 bits, which overflow; and its readers ignore it.
 */
#define SLOPE_MAX 0.001L

static guint64 read_stamp(guint64 stamp, gconstpointer data)
{
    return stamp + *(const guint64 *)data;
}

static gboolean check_clocks(const TcsExport *export, GError **error)
{
    const char *counter = tcs_trace_clock_counter(export->alignment.log);
    const struct tcs_counter_kind *kind = tcs_counter_kind_find(counter);

    if (!kind || !kind->ftrace) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "trace-cmd attach takes traces recorded with the counter "
                    "only, and ftrace has no clock that shows %s; "
                    "`trace-clock-sync apply` takes any clock",
                    counter);
        return FALSE;
    }
    if (!tcs_trace_clock_is_counter(export->alignment.guest_clock) ||
        !tcs_trace_clock_is_counter(export->alignment.host_clock)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "trace-cmd attach takes traces recorded with %s only; "
                    "`trace-clock-sync apply` takes any clock",
                    kind->ftrace);
        return FALSE;
    }
    for (guint i = 0; i < export->cpus->len; i++) {
        if (g_array_index(export->cpus, guint32, i) != i) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "trace-cmd attach numbers the guest's CPUs from 0 "
                        "without a gap, and there is no CPU %u; use "
                        "`trace-clock-sync apply`",
                        i);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean check_slope(const TcsShiftTable *table, GError **error)
{
    const long double slope = tcs_line_slope(table);

    if (slope < 1 - SLOPE_MAX || slope > 1 + SLOPE_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest's counter is scaled (the host's makes %.9Lf "
                    "ticks for one of it), which trace-cmd attach applies in "
                    "the wrong direction: its result would be seconds off. "
                    "Use `trace-clock-sync apply`, which corrects the file",
                    slope);
        return FALSE;
    }
    return TRUE;
}

/*
 * attach takes "-s" once for each CPU, but gives the first one's offset to all
 * of them (3.2 to 3.4); so there must be one that is true of all.
 */
static gboolean check_spread(const GPtrArray *tables, guint64 spread,
                             const char *unit, GError **error)
{
    guint64 known = 0;

    for (guint i = 0; i < tables->len; i++) {
        known =
            MAX(known,
                tcs_shift_table_bound_for(g_ptr_array_index(tables, i), 0.5));
    }
    /* Two offsets that are known so well may be one; and each is rounded. */
    if (spread / 2 <= known) {
        return TRUE;
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "the counters of the guest's CPUs differ by %" PRIu64
                " %s, and trace-cmd attach gives all CPUs the first one's "
                "offset. Use `trace-clock-sync apply`, which has one for each",
                spread, unit);
    return FALSE;
}

/* "-s OFFSET,1,0,0", and how far it is off on any CPU. */
static gboolean add_shift(const TcsExport *export, GString *out, GError **error)
{
    const GPtrArray *tables = export->alignment.tables;
    TcsLine line;
    guint64 offset, spread;

    for (guint i = 0; i < tables->len; i++) {
        if (!check_slope(g_ptr_array_index(tables, i), error)) {
            return FALSE;
        }
    }
    spread = tcs_line_spread(tables, 1);
    if (!check_spread(tables, spread, tcs_export_unit(export), error)) {
        return FALSE;
    }
    line = tcs_line_fit(tables, 1);
    offset = line.to - line.from;
    g_string_append_printf(out, " -s %" PRId64 ",1,0,0", (gint64)offset);
    tcs_export_tell_bound(
        export, tcs_line_error(tables, read_stamp, &offset, 0), spread);
    return TRUE;
}

static gboolean add_threads(const TcsExport *export, GString *out,
                            GError **error)
{
    for (guint i = 0; i < export->cpus->len; i++) {
        const TcsVcpu *vcpu =
            tcs_guest_vcpu(export->alignment.log,
                           g_array_index(export->cpus, guint32, i), error);

        if (!vcpu) {
            return FALSE;
        }
        if (vcpu->thread_id <= 0) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the log does not know the thread of vCPU %u", i);
            return FALSE;
        }
        g_string_append_printf(out, " %" G_GINT64_FORMAT, vcpu->thread_id);
    }
    return TRUE;
}

static gboolean run(TcsExport *export, GString *out, GError **error)
{
    const TcsExportOptions *options = export->options;
    g_autofree char *host =
        g_shell_quote(options->host ? options->host : "host.dat");
    g_autofree char *guest =
        g_shell_quote(options->guest ? options->guest : "guest.dat");

    if (!check_clocks(export, error) || !tcs_export_compute(export, error)) {
        return FALSE;
    }
    g_string_append_printf(out, "trace-cmd attach -c %u", export->cpus->len);
    if (!add_shift(export, out, error)) {
        return FALSE;
    }
    g_string_append_printf(out, " %s %s", host, guest);
    if (!add_threads(export, out, error)) {
        return FALSE;
    }
    g_string_append_c(out, '\n');
    tcs_export_note("attach needs trace-cmd 3.2 or later");
    return TRUE;
}

const TcsExportFormat tcs_export_attach = {
    .name = "trace-cmd-attach",
    .options = (const char *const[]){ NULL },
    .run = run,
};
