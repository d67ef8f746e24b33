/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `export LOG perfetto`: a manifest that merges two traces, or clock snapshots
 * that carry rates as well.
 */
#include "export.h"

#include "error.h"
#include "export-snapshots.h"
#include "formats/perfetto-manifest.h"
#include "formats/perfetto-snapshot.h"

static guint64 read_stamp(guint64 stamp, gconstpointer data)
{
    return stamp + *(const guint64 *)data;
}

static gboolean set_not_utf8(GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "a manifest takes names in UTF-8, and one of the files' is "
                "not");
    return FALSE;
}

static gboolean write_manifest(TcsExport *export, GString *out, GError **error)
{
    const TcsExportOptions *options = export->options;
    /* Machines of one name would be one machine to Perfetto. */
    g_autofree char *vm = g_utf8_make_valid(export->alignment.log->vm, -1);
    g_autofree char *machine = g_strconcat("VM ", vm, NULL);
    const struct tcs_perfetto_file
        host = { options->host ? options->host : "host.pftrace", "host",
                 tcs_perfetto_builtin_name(export->alignment.host_clock) },
        guest = { options->guest ? options->guest : "guest.pftrace", machine,
                  tcs_perfetto_builtin_name(export->alignment.guest_clock) };
    const GPtrArray *tables;
    guint64 offset;
    TcsLine line;
    char *text;

    if (!host.clock || !guest.clock) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "a manifest knows boot, mono, mono_raw and realtime, and "
                    "not %s; --snapshots takes any clock in nanoseconds",
                    host.clock ? export->alignment.guest_clock
                               : export->alignment.host_clock);
        return FALSE;
    }
    if (!g_utf8_validate(host.path, -1, NULL) ||
        !g_utf8_validate(guest.path, -1, NULL)) {
        return set_not_utf8(error);
    }
    if (!tcs_export_compute(export, error)) {
        return FALSE;
    }
    tables = export->alignment.tables;
    line = tcs_line_fit(tables, 1);
    offset = line.to - line.from;
    text = tcs_perfetto_manifest(&host, &guest, (gint64)offset);
    if (!text) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_INTERNAL, "out of memory");
        return FALSE;
    }
    g_string_append(out, text);
    free(text);
    tcs_export_tell_bound(export,
                          tcs_line_error(tables, read_stamp, &offset, 0),
                          tcs_line_spread(tables, 1));
    return TRUE;
}

static gboolean run(TcsExport *export, GString *out, GError **error)
{
    return export->options->snapshots
               ? tcs_export_write_snapshots(export, out, error)
               : write_manifest(export, out, error);
}

const TcsExportFormat tcs_export_perfetto = {
    .name = "perfetto",
    .guest_clock = "boot",
    .host_clock = "boot",
    .options = (const char *const[]){ "snapshots", NULL },
    .run = run,
};
