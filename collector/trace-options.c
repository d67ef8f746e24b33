/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-options.h.
 */
#include "trace-options.h"

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

void tcs_trace_options_set_clocks(const TcsTraceOptions *options,
                                  const TcsTraceFile *guest,
                                  const TcsTraceFile *host,
                                  TcsAlignment *alignment)
{
    alignment->guest_clock =
        options->guest_clock ? options->guest_clock : guest->dat.clock;
    alignment->host_clock =
        options->host_clock ? options->host_clock : host->dat.clock;
}

void tcs_trace_options_clear(TcsTraceOptions *options)
{
    g_free(options->guest);
    g_free(options->host);
    g_free(options->guest_clock);
    g_free(options->host_clock);
    g_free(options->boot);
}
