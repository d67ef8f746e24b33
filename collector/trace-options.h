/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which traces, and what they were recorded with: the options that every verb
 * on a guest's and a host's trace takes.
 */
#ifndef COLLECTOR_TRACE_OPTIONS_H
#define COLLECTOR_TRACE_OPTIONS_H

#include "alignment.h"

G_BEGIN_DECLS

typedef struct {
    char *guest, *host;             /* files, or NULL */
    char *guest_clock, *host_clock; /* NULL: what the files say */
    char *boot;                     /* NULL: all that the log has */
} TcsTraceOptions;

/*
 * Adds them, with what the verb does with each file. `options` outlives the
 * parsing.
 */
void tcs_trace_options_add(TcsTraceOptions *options, GOptionContext *context,
                           const char *guest_help, const char *host_help);

/* tcs_options_parse() of a verb that takes a log and these. */
gboolean tcs_trace_options_parse(GOptionContext *context, int *argc,
                                 char ***argv, GError **error);

/* TCS_ERROR_USAGE where a clock is named that there is not. */
gboolean tcs_trace_options_check(const TcsTraceOptions *options,
                                 GError **error);

/*
 * The clocks named, else those of the files; `host` may be NULL where its clock
 * was named. One that is not what its file says is told on standard error. The
 * alignment borrows them from all three. TCS_ERROR_REFUSED where the host's
 * file is shown by another clock than it was recorded with.
 */
gboolean tcs_trace_options_set_clocks(const TcsTraceOptions *options,
                                      const TcsTraceFile *guest,
                                      const TcsTraceFile *host,
                                      TcsAlignment *alignment, GError **error);

void tcs_trace_options_clear(TcsTraceOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsTraceOptions, tcs_trace_options_clear)

G_END_DECLS

#endif
