/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `export LOG perf`: the argument of `perf inject --guest-data`.
 */
#include "export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "formats/perf-guest-data.h"
#include "guest-vcpu.h"
#include "trace-clock.h"

#define GUEST_FILE "perf.data.guest"

/* Guest ticks per host tick where all of the guest's CPUs have one ratio. */
static gboolean find_ratio(const TcsExport *export, long double *ret)
{
    const TcsVcpu *first = NULL;

    if (!tcs_trace_clock_is_counter(export->alignment.guest_clock) ||
        !tcs_trace_clock_is_counter(export->alignment.host_clock)) {
        return FALSE;
    }
    for (guint i = 0; i < export->cpus->len; i++) {
        const TcsVcpu *vcpu =
            tcs_guest_vcpu(export->alignment.log,
                           g_array_index(export->cpus, guint32, i), NULL);

        first = first ? first : vcpu;
        if (!vcpu || !vcpu->has_map ||
            vcpu->map.multiplier != first->map.multiplier ||
            vcpu->map.shift != first->map.shift) {
            return FALSE;
        }
    }
    *ret =
        (long double)first->map.multiplier / ((guint64)1 << first->map.shift);
    return TRUE;
}

static guint64 read_stamp(guint64 stamp, gconstpointer data)
{
    return tcs_perf_guest_data_apply(*(const struct tcs_perf_guest_data *)data,
                                     stamp);
}

static struct tcs_perf_guest_data fit(const TcsExport *export)
{
    const GPtrArray *tables = export->alignment.tables;
    long double ratio;
    struct tcs_perf_guest_data data;
    TcsLine line;

    if (!find_ratio(export, &ratio)) {
        ratio = 1 / tcs_line_slope(g_ptr_array_index(tables, 0));
    }
    data.scale = (double)ratio;
    line = tcs_line_fit(tables, 1 / (long double)data.scale);
    /* In long double a host stamp has all of its 64 bits. */
    data.offset = line.from -
                  (data.scale == 1
                       ? line.to
                       : (guint64)llroundl(line.to * (long double)data.scale));
    return data;
}

/* The process of a thread that is named as QEMU names a vCPU's; 0: none. */
static gint64 process_of_vcpu(gint64 thread)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%" G_GINT64_FORMAT "/status", thread);
    g_autofree char *text = NULL;
    const char *tgid;

    if (thread <= 0 || !g_file_get_contents(path, &text, NULL, NULL) ||
        !g_str_has_prefix(text, "Name:\tCPU ")) {
        return 0;
    }
    tgid = strstr(text, "\nTgid:\t");
    return tgid ? g_ascii_strtoll(tgid + strlen("\nTgid:\t"), NULL, 10) : 0;
}

static gboolean find_pid(const TcsExport *export, gint64 *ret, GError **error)
{
    *ret = export->options->pid;
    for (guint i = 0; i < export->cpus->len && !export->options->pid; i++) {
        const TcsVcpu *vcpu =
            tcs_guest_vcpu(export->alignment.log,
                           g_array_index(export->cpus, guint32, i), NULL);
        const gint64 pid = vcpu ? process_of_vcpu(vcpu->thread_id) : 0;

        if (!pid || (*ret && *ret != pid)) {
            *ret = 0;
            break;
        }
        *ret = pid;
    }
    if (!*ret) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "the log has the numbers of the vCPUs' threads but not of "
                    "QEMU's process, and no process here has those threads, "
                    "with the names that QEMU's -name ...,debug-threads=on "
                    "gives them: say which it was with --pid");
        return FALSE;
    }
    if (!export->options->pid) {
        tcs_export_note("process %" PRId64 " has the vCPUs' threads now", *ret);
    }
    return TRUE;
}

static gboolean run(TcsExport *export, GString *out, GError **error)
{
    const char *file =
        export->options->guest ? export->options->guest : GUEST_FILE;
    const GPtrArray *tables;
    struct tcs_perf_guest_data data;
    char *text;
    gint64 pid;
    guint64 rounding;
    int ret;

    if (!tcs_export_compute(export, error) || !find_pid(export, &pid, error)) {
        return FALSE;
    }
    tables = export->alignment.tables;
    data = fit(export);
    rounding = tcs_perf_guest_data_rounding(data, tcs_line_last_shown(tables));
    ret = tcs_perf_guest_data_format(data, file, pid, &text);
    if (ret < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "perf cannot take this: a process of number %" PRId64
                    ", and '%s', which must have no comma",
                    pid, file);
        return FALSE;
    }
    g_string_append(out, text);
    g_string_append_c(out, '\n');
    free(text);

    tcs_export_tell_bound(export,
                          tcs_line_error(tables, read_stamp, &data, rounding),
                          tcs_line_spread(tables, 1 / (long double)data.scale));
    if (rounding > 2) {
        tcs_export_note("perf computes in double, which loses up to %" PRIu64
                        " %s of this",
                        2 * rounding, tcs_export_unit(export));
    }
    return TRUE;
}

const TcsExportFormat tcs_export_perf = {
    .name = "perf",
    .options = (const char *const[]){ "pid", NULL },
    .run = run,
};
