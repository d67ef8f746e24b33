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

/*
 * The clocks named, else those of the files; `host` may be NULL where its clock
 * was named. The alignment borrows them from all three.
 */
void tcs_trace_options_set_clocks(const TcsTraceOptions *options,
                                  const TcsTraceFile *guest,
                                  const TcsTraceFile *host,
                                  TcsAlignment *alignment);

void tcs_trace_options_clear(TcsTraceOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsTraceOptions, tcs_trace_options_clear)

G_END_DECLS

#endif
