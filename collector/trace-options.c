/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-options.h.
 */
#include "trace-options.h"

#include <stdio.h>

#include "clock-name.h"
#include "error.h"
#include "target-options.h"
#include "trace-clock.h"

void tcs_trace_options_add(TcsTraceOptions *options, GOptionContext *context,
                           const char *guest_help, const char *host_help)
{
    const GOptionEntry entries[] = {
        { "guest", 0, 0, G_OPTION_ARG_FILENAME, &options->guest, guest_help,
          "FILE" },
        { "host", 0, 0, G_OPTION_ARG_FILENAME, &options->host, host_help,
          "FILE" },
        { "guest-clock", 0, 0, G_OPTION_ARG_STRING, &options->guest_clock,
          "what the guest's trace was recorded with, where the file is wrong",
          "NAME" },
        { "host-clock", 0, 0, G_OPTION_ARG_STRING, &options->host_clock,
          "the same for the host's", "NAME" },
        { "boot", 0, 0, G_OPTION_ARG_STRING, &options->boot,
          "of which boot the guest's trace is, where the log has several",
          "NUMBER|ID" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    g_option_context_add_main_entries(context, entries, NULL);
}

gboolean tcs_trace_options_parse(GOptionContext *context, int *argc,
                                 char ***argv, GError **error)
{
    return tcs_options_parse_or_advise(
        context, argc, argv, 1, "traces are given with --guest and --host; ",
        error);
}

gboolean tcs_trace_options_check(const TcsTraceOptions *options, GError **error)
{
    return tcs_clock_name_check("--guest-clock", options->guest_clock, error) &&
           tcs_clock_name_check("--host-clock", options->host_clock, error);
}

/* It is for a file that is wrong, which few are. */
static void warn_of_clock(const char *option, const char *given,
                          const TcsTraceFile *file)
{
    const char *own = file ? file->dat.clock : "";

    if (given && *own && !g_str_equal(given, own) &&
        !(tcs_trace_clock_is_counter(given) &&
          tcs_trace_clock_is_counter(own))) {
        fprintf(
            stderr,
            "%s: warning: %s says that it was recorded with %s; %s %s takes "
            "its place, which is right only where the file is wrong\n",
            g_get_prgname(), file->path, own, option, given);
    }
}

gboolean tcs_trace_options_set_clocks(const TcsTraceOptions *options,
                                      const TcsTraceFile *guest,
                                      const TcsTraceFile *host,
                                      TcsAlignment *alignment, GError **error)
{
    if (host && host->dat.has_time_shift) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s was corrected as if it were a guest's: are --guest and "
                    "--host swapped? Then name them the other way round. If "
                    "they were when it was corrected, readers do not show its "
                    "stamps as they were recorded: take a copy of before, or "
                    "record anew",
                    host->path);
        return FALSE;
    }
    warn_of_clock("--guest-clock", options->guest_clock, guest);
    warn_of_clock("--host-clock", options->host_clock, host);
    alignment->guest_clock =
        options->guest_clock ? options->guest_clock : guest->dat.clock;
    alignment->host_clock =
        options->host_clock ? options->host_clock : host->dat.clock;
    return TRUE;
}

void tcs_trace_options_clear(TcsTraceOptions *options)
{
    g_free(options->guest);
    g_free(options->host);
    g_free(options->guest_clock);
    g_free(options->host_clock);
    g_free(options->boot);
}
