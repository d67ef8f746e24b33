/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `export LOG trace-cmd-attach`: the command line of trace-cmd 3.2's attach.
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

/* "-s OFFSET,1,0,0" for each CPU, and the largest error of all. */
static gboolean add_shifts(const TcsExport *export, GString *out,
                           TcsLineError *ret_error, GError **error)
{
    *ret_error = (TcsLineError){ 0 };
    for (guint i = 0; i < export->cpus->len; i++) {
        TcsShiftTable *table = (TcsShiftTable *)export->alignment.cpu_tables[i];
        gpointer item[] = { table };
        const GPtrArray only = { .pdata = item, .len = 1 };
        TcsLineError cpu_error;
        TcsLine line;
        guint64 offset;

        if (!check_slope(table, error)) {
            return FALSE;
        }
        line = tcs_line_fit(&only, 1);
        offset = line.to - line.from;
        cpu_error = tcs_line_error(&only, read_stamp, &offset, 0);
        ret_error->worst = MAX(ret_error->worst, cpu_error.worst);
        ret_error->half = MAX(ret_error->half, cpu_error.half);
        ret_error->elsewhere = MAX(ret_error->elsewhere, cpu_error.elsewhere);
        g_string_append_printf(out, " -s %" PRId64 ",1,0,0", (gint64)offset);
    }
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
    TcsLineError worst;

    if (!check_clocks(export, error) || !tcs_export_compute(export, error)) {
        return FALSE;
    }
    g_string_append_printf(out, "trace-cmd attach -c %u", export->cpus->len);
    if (!add_shifts(export, out, &worst, error)) {
        return FALSE;
    }
    g_string_append_printf(out, " %s %s", host, guest);
    if (!add_threads(export, out, error)) {
        return FALSE;
    }
    g_string_append_c(out, '\n');
    tcs_export_tell_bound(export, worst, 0);
    return TRUE;
}

const TcsExportFormat tcs_export_attach = {
    .name = "trace-cmd-attach",
    .options = (const char *const[]){ NULL },
    .run = run,
};
