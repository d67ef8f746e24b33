/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync plot`: pictures of a log, and of a host's and a guest's
 * trace.
 */
#include "verb.h"

#include <stdio.h>

#include "error.h"
#include "plot-drift.h"
#include "plot-traces.h"
#include "target-options.h"

typedef struct {
    char *output;
    char *from, *to; /* clocks */
    TcsPlotTracesOptions traces;
} Options;

static void options_clear(Options *options)
{
    g_free(options->output);
    g_free(options->from);
    g_free(options->to);
    tcs_plot_traces_options_clear(&options->traces);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static const char summary[] =
    "Draws the offset of two clocks and its bound over the time of a log; or, "
    "with\n--host and --guest, each vCPU's time inside the guest with the "
    "guest's events.";

static const char description[] =
    "Examples:\n"
    "  trace-clock-sync plot run.tcs -o drift.svg\n"
    "  trace-clock-sync plot run.tcs --from guest:boot --to host:mono -o "
    "boot.png\n"
    "  trace-clock-sync plot --host host.dat --guest guest.dat -o "
    "timeline.svg\n"
    "  trace-clock-sync plot --host host.dat --guest guest.dat --around "
    "1234.56789 \\\n      --width 200us -o moment.svg\n\n"
    "Times of --zoom and --around are those that `trace-cmd report -t` "
    "prints:\nseconds, or ticks where the host's trace has them. A file of "
    "the picture's name\nis replaced.\n";

static gboolean parse_options(int *argc, char ***argv, Options *ret,
                              GError **error)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("[LOG] [--host FILE --guest FILE] -o FILE");
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &ret->output,
          "the picture: .svg or .png", "FILE" },
        { "from", 0, 0, G_OPTION_ARG_STRING, &ret->from,
          "the guest's clock, such as guest:mono", "CLOCK" },
        { "to", 0, 0, G_OPTION_ARG_STRING, &ret->to,
          "the host's clock, such as host:mono", "CLOCK" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    g_option_context_add_main_entries(context, entries, NULL);
    tcs_plot_traces_options_add(&ret->traces, context);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    return tcs_trace_options_parse(context, argc, argv, error);
}

static gboolean set_usage(const char *what, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "%s; see %s --help", what,
                g_get_prgname());
    return FALSE;
}

/* Whether what was given goes together. */
static gboolean check_options(const Options *options, const char *log,
                              GError **error)
{
    const TcsTraceOptions *files = &options->traces.files;

    if (!options->output) {
        return set_usage("plot takes --output (-o), the picture's file", error);
    }
    if (!files->host != !files->guest) {
        return set_usage("plot takes --host and --guest together", error);
    }
    if (files->host && (options->from || options->to)) {
        return set_usage("--from and --to are of a log's picture, not of "
                         "traces (there --guest-clock and --host-clock)",
                         error);
    }
    if (!files->host && tcs_plot_traces_options_any(&options->traces)) {
        return set_usage("--zoom, --around, --width, --cpu and clocks of "
                         "traces take --host and --guest",
                         error);
    }
    if (!files->host && !log) {
        return set_usage("plot takes a log, or --host and --guest", error);
    }
    if (!options->from != !options->to) {
        return set_usage("plot takes --from and --to together", error);
    }
    return TRUE;
}

static gboolean plot_log(const Options *options, const char *log,
                         const TcsPlotOutput *output, GError **error)
{
    g_auto(TcsAlignment) alignment = { 0 };
    g_autofree char *guest = g_strdup(options->from);
    g_autofree char *host = g_strdup(options->to);
    g_autoptr(TcsDrift) drift = NULL;

    if (!tcs_alignment_open_log(&alignment, log, NULL, error) ||
        (!guest && !tcs_drift_default_clocks(alignment.model, alignment.log,
                                             &guest, &host, error))) {
        return FALSE;
    }
    drift = tcs_drift_new(alignment.model, alignment.log, guest, host, error);
    if (!drift || !tcs_plot_drift(drift, output, error)) {
        return FALSE;
    }
    printf("%s: %s - %s, %u samples, %u gaps, %u epochs\n", output->path,
           drift->guest, drift->host, drift->n_samples, drift->gaps->len,
           drift->epochs->len);
    return TRUE;
}

static int run(int argc, char **argv, GError **error)
{
    g_auto(Options) options = { 0 };
    const char *log;
    TcsPlotOutput output;

    if (!parse_options(&argc, &argv, &options, error)) {
        return TCS_ERROR_USAGE;
    }
    log = argc > 1 ? argv[1] : NULL;
    if (!check_options(&options, log, error) ||
        !tcs_plot_output_init(&output, options.output, error)) {
        return TCS_ERROR_USAGE;
    }
    if ((log && tcs_trace_file_is_same(log, output.path))) {
        set_usage("the picture would replace the log", error);
        return TCS_ERROR_USAGE;
    }
    if (options.traces.files.host
            ? !tcs_plot_traces(&options.traces, log, &output, error)
            : !plot_log(&options, log, &output, error)) {
        return tcs_error_exit_status(*error);
    }
    return 0;
}

const TcsVerb tcs_verb_plot = {
    .name = "plot",
    .summary = "draw an offset over time, or host and guest on one timeline",
    .run = run,
};
