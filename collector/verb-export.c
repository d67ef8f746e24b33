/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync export`: the relation of a guest's clock and a host's in
 * the words of other tools.
 */
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clock-name.h"
#include "error.h"
#include "export.h"
#include "target-options.h"
#include "trace-clock.h"

static const TcsExportFormat *const formats[] = {
    &tcs_export_perf,
    &tcs_export_perfetto,
    &tcs_export_ctf,
    &tcs_export_attach,
};

static void options_clear(TcsExportOptions *options)
{
    g_free(options->guest);
    g_free(options->host);
    g_free(options->guest_clock);
    g_free(options->host_clock);
    g_free(options->output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsExportOptions, options_clear)

static void export_clear(TcsExport *export)
{
    tcs_alignment_clear(&export->alignment);
    g_clear_pointer(&export->cpus, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsExport, export_clear)

static const char description[] =
    "Formats, with the clocks they take where none are named:\n"
    "  perf              FILE,PID,OFFSET,SCALE for `perf inject --guest-data=`;\n"
    "                    x86-tsc (or what counter the machines have), which\n"
    "                    perf makes its own clock's times into\n"
    "  perfetto          a perfetto_manifest for an archive of both traces;\n"
    "                    boot\n"
    "  ctf               a babeltrace2 command that shows both traces; mono\n"
    "  trace-cmd-attach  the command of that name (trace-cmd 3.2 and later);\n"
    "                    x86-tsc only (on ppc64 ppc-tb), and one offset for\n"
    "                    all CPUs\n\n"
    "A line on standard error says how far what is written may be off.\n\n"
    "Example:\n"
    "  perf inject -i perf.data -o merged.data \\\n"
    "    --guest-data=$(trace-clock-sync export run.tcs perf --guest g.data)\n";

static gboolean parse_options(int *argc, char ***argv, TcsExportOptions *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "guest", 0, 0, G_OPTION_ARG_FILENAME, &ret->guest,
          "the guest's trace, as the other tool will name it", "FILE" },
        { "host", 0, 0, G_OPTION_ARG_FILENAME, &ret->host,
          "the same for the host's", "FILE" },
        { "guest-clock", 0, 0, G_OPTION_ARG_STRING, &ret->guest_clock,
          "what the guest's trace was recorded with", "NAME" },
        { "host-clock", 0, 0, G_OPTION_ARG_STRING, &ret->host_clock,
          "the same for the host's", "NAME" },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &ret->output,
          "write to this file instead of standard output", "FILE" },
        { "pid", 0, 0, G_OPTION_ARG_INT64, &ret->pid,
          "perf: QEMU's process, where it has ended", "PID" },
        { "snapshots", 0, 0, G_OPTION_ARG_NONE, &ret->snapshots,
          "perfetto: clock snapshots as trace packets, which carry rates",
          NULL },
        { "clock-block", 0, 0, G_OPTION_ARG_NONE, &ret->clock_block,
          "ctf: a clock for the guest's metadata, which carries a rate", NULL },
        { "guest-offset", 0, 0, G_OPTION_ARG_INT64, &ret->guest_offset_ns,
          "ctf: what the guest's metadata adds to its clock", "NS" },
        { "host-offset", 0, 0, G_OPTION_ARG_INT64, &ret->host_offset_ns,
          "ctf: what the host's metadata adds to its clock", "NS" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("LOG perf|perfetto|ctf|trace-cmd-attach");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Writes what other tools want, to put a guest's trace on the "
                 "host's timeline.");
    g_option_context_set_description(context, description);
    return tcs_options_parse(context, argc, argv, 2, error);
}

static const TcsExportFormat *find_format(const char *name, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_str_equal(formats[i]->name, name)) {
            return formats[i];
        }
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "there is no format '%s'; there are perf, perfetto, ctf and "
                "trace-cmd-attach",
                name);
    return NULL;
}

static gboolean check_options(const TcsExportFormat *format,
                              const TcsExportOptions *options, GError **error)
{
    const struct {
        const char *name;
        gboolean is_given;
    } given[] = {
        { "pid", options->pid != 0 },
        { "snapshots", options->snapshots },
        { "clock-block", options->clock_block },
        { "guest-offset", options->guest_offset_ns != 0 },
        { "host-offset", options->host_offset_ns != 0 },
    };

    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        if (given[i].is_given &&
            !g_strv_contains(format->options, given[i].name)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                        "%s does not take --%s", format->name, given[i].name);
            return FALSE;
        }
    }
    if (options->snapshots && !options->output && isatty(STDOUT_FILENO)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--snapshots writes bytes that are not for a terminal: add "
                    "-o FILE");
        return FALSE;
    }
    return tcs_clock_name_check("--guest-clock", options->guest_clock, error) &&
           tcs_clock_name_check("--host-clock", options->host_clock, error);
}

static gint compare_cpus(gconstpointer a, gconstpointer b)
{
    const guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

    return x < y ? -1 : x > y;
}

static void add_cpu(GArray *cpus, guint32 cpu)
{
    for (guint i = 0; i < cpus->len; i++) {
        if (g_array_index(cpus, guint32, i) == cpu) {
            return;
        }
    }
    g_array_append_val(cpus, cpu);
}

/* All CPUs the guest ever told of, else the vCPUs there were; in order. */
static GArray *list_cpus(const TcsLog *log)
{
    GArray *cpus = g_array_new(FALSE, FALSE, sizeof(guint32));
    const TcsSample *first = g_ptr_array_index(log->samples, 0);

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        for (guint c = 0; sample->guest && c < sample->guest->cpus->len; c++) {
            add_cpu(cpus,
                    (guint32)g_array_index(sample->guest->cpus, TcsGuestCpu, c)
                        .cpu);
        }
    }
    for (guint i = 0; cpus->len == 0 && i < first->qmp_before->vcpus->len;
         i++) {
        g_array_append_val(cpus, i);
    }
    g_array_sort(cpus, compare_cpus);
    return cpus;
}

static const char *choose_clock(const TcsExport *export, const char *given,
                                const char *usual)
{
    usual = usual ? usual : tcs_trace_clock_counter(export->alignment.log);
    return given ? given : usual;
}

static gboolean open_log(TcsExport *export, const TcsExportFormat *format,
                         const char *path, GError **error)
{
    const TcsExportOptions *options = export->options;

    if (!tcs_alignment_open_log(&export->alignment, path, NULL, error)) {
        return FALSE;
    }
    export->cpus = list_cpus(export->alignment.log);
    if (export->cpus->len == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s knows no CPU of the guest", path);
        return FALSE;
    }
    export->alignment.guest_clock =
        choose_clock(export, options->guest_clock, format->guest_clock);
    export->alignment.host_clock =
        choose_clock(export, options->host_clock, format->host_clock);
    return TRUE;
}

static gboolean write_out(const GString *out, const char *path, GError **error)
{
    if (path) {
        g_autoptr(GError) local = NULL;
        g_autofree char *advice = NULL;

        /* Through a temporary file, flushed and renamed. */
        if (g_file_set_contents_full(path, out->str, (gssize)out->len,
                                     G_FILE_SET_CONTENTS_CONSISTENT |
                                         G_FILE_SET_CONTENTS_DURABLE,
                                     0666, &local)) {
            return TRUE;
        }
        advice = tcs_error_write_advice(local);
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot write: %s; %s",
                    local->message, advice);
        return FALSE;
    }
    if (fwrite(out->str, 1, out->len, stdout) != out->len ||
        fflush(stdout) == EOF) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot write to standard output: %s", g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

static int run(int argc, char **argv, GError **error)
{
    g_auto(TcsExportOptions) options = { 0 };
    g_auto(TcsExport) export = { .options = &options };
    g_autoptr(GString) out = g_string_new(NULL);
    const TcsExportFormat *format;

    if (!parse_options(&argc, &argv, &options, error)) {
        return TCS_ERROR_USAGE;
    }
    if (argc != 3) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "export takes a log and a format; see %s --help",
                    g_get_prgname());
        return TCS_ERROR_USAGE;
    }
    format = find_format(argv[2], error);
    if (!format || !check_options(format, &options, error)) {
        return TCS_ERROR_USAGE;
    }
    if (!open_log(&export, format, argv[1], error) ||
        !format->run(&export, out, error) ||
        !write_out(out, options.output, error)) {
        return tcs_error_exit_status(*error);
    }
    return 0;
}

const TcsVerb tcs_verb_export = {
    .name = "export",
    .summary = "write what perf, Perfetto, babeltrace2 or trace-cmd want",
    .run = run,
};
