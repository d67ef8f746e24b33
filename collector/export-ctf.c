/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `export LOG ctf`: a guest's CTF trace (LTTng) on the host's timeline, by
 * babeltrace2's options or by a clock class for its metadata.
 */
#include "export.h"

#include <inttypes.h>
#include <math.h>

#include "error.h"
#include "formats/ctf-clock.h"
#include "trace-clock.h"

static gboolean out_of_memory(GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_INTERNAL, "out of memory");
    return FALSE;
}

static gboolean check_clocks(const TcsExport *export, GError **error)
{
    const char *wrong = NULL;

    if (tcs_trace_clock_is_counter(export->alignment.host_clock)) {
        wrong = "--host-clock is a counter, and the timeline is to be in "
                "nanoseconds: name another";
    } else if (!export->options->clock_block &&
               tcs_trace_clock_is_counter(export->alignment.guest_clock)) {
        wrong = "babeltrace2's options cannot make nanoseconds of ticks; "
                "--clock-block can";
    }
    if (wrong) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_USAGE, wrong);
    }
    return !wrong;
}

static guint64 read_shifted(guint64 stamp, gconstpointer data)
{
    return stamp + *(const guint64 *)data;
}

static gboolean write_options(const TcsExport *export, GString *out,
                              TcsLineError *ret_error, GError **error)
{
    const TcsExportOptions *options = export->options;
    const GPtrArray *tables = export->alignment.tables;
    const TcsLine line = tcs_line_fit(tables, 1);
    const guint64 shift = line.to - line.from;
    const struct {
        const char *name, *directory;
        gint64 offset_ns;
    } traces[] = {
        { "host", options->host ? options->host : "host", 0 },
        { "guest", options->guest ? options->guest : "guest",
          (gint64)(shift + (guint64)options->host_offset_ns -
                   (guint64)options->guest_offset_ns) },
    };

    *ret_error = tcs_line_error(tables, read_shifted, &shift, 0);
    g_string_append(out, "babeltrace2");
    for (guint i = 0; i < G_N_ELEMENTS(traces); i++) {
        char *params =
            tcs_ctf_babeltrace_params(traces[i].directory, traces[i].offset_ns);
        g_autofree char *quoted = params ? g_shell_quote(params) : NULL;

        free(params);
        if (!quoted) {
            return out_of_memory(error);
        }
        g_string_append_printf(out, " --component=%s:src.ctf.fs --params=%s",
                               traces[i].name, quoted);
    }
    g_string_append_c(out, '\n');
    return TRUE;
}

typedef struct {
    struct tcs_ctf_clock clock;
    gint64 host_offset_ns;
} BlockReader;

static guint64 read_block(guint64 stamp, gconstpointer data)
{
    const BlockReader *reader = data;

    return (guint64)tcs_ctf_clock_ns(&reader->clock, stamp) -
           (guint64)reader->host_offset_ns;
}

static gboolean write_block(const TcsExport *export, GString *out,
                            TcsLineError *ret_error, GError **error)
{
    const GPtrArray *tables = export->alignment.tables;
    g_autofree char *name =
        g_strcanon(g_strconcat("guest_", export->alignment.guest_clock, NULL),
                   G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS, '_');
    g_autofree char *uuid = g_uuid_string_random();
    const gint64 host_offset_ns = export->options->host_offset_ns;
    BlockReader reader = { .clock = { .name = name, .uuid = uuid },
                           .host_offset_ns = host_offset_ns };
    const long double freq =
        1e9L / tcs_line_slope(g_ptr_array_index(tables, 0));
    TcsLine line;
    char *text;

    if (!(freq >= 1 && freq <= 1e12L)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "guest %s would have a frequency of %Lg Hz",
                    export->alignment.guest_clock, freq);
        return FALSE;
    }
    reader.clock.freq = (guint64)llroundl(freq);
    line = tcs_line_fit(tables, 1e9L / reader.clock.freq);
    tcs_ctf_clock_set_offset(&reader.clock, line.from,
                             (gint64)(line.to + (guint64)host_offset_ns));
    *ret_error = tcs_line_error(
        tables, read_block, &reader,
        tcs_ctf_clock_rounding(&reader.clock, tcs_line_last_stamp(tables)));
    reader.clock.precision = (guint64)ceill(
        ret_error->worst * ((long double)reader.clock.freq / 1e9L));
    text = tcs_ctf_clock_block(&reader.clock);
    if (!text) {
        return out_of_memory(error);
    }
    g_string_append(out, text);
    free(text);
    return TRUE;
}

static gboolean run(TcsExport *export, GString *out, GError **error)
{
    const GPtrArray *tables;
    TcsLineError worst;

    if (!check_clocks(export, error) || !tcs_export_compute(export, error) ||
        !(export->options->clock_block
              ? write_block(export, out, &worst, error)
              : write_options(export, out, &worst, error))) {
        return FALSE;
    }
    tables = export->alignment.tables;
    tcs_export_tell_bound(
        export, worst,
        tcs_line_spread(tables, tcs_line_slope(g_ptr_array_index(tables, 0))));
    return TRUE;
}

const TcsExportFormat tcs_export_ctf = {
    .name = "ctf",
    .guest_clock = "mono",
    .host_clock = "mono",
    .options = (const char *const[]){ "clock-block", "guest-offset",
                                      "host-offset", NULL },
    .run = run,
};
