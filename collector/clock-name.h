/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What clocks are called on the command line, on whichever machine: a name that
 * none has is a wrong usage, told before anything is asked or read; one that
 * a guest or a log lacks is a refusal, and not told here. Text only, no I/O.
 */
#ifndef COLLECTOR_CLOCK_NAME_H
#define COLLECTOR_CLOCK_NAME_H

#include <glib.h>

G_BEGIN_DECLS

/*
 * Whether clocks are called so: counters, and what ftrace and POSIX have. NULL
 * is no name, and fine. `option` is for the message: TCS_ERROR_USAGE, with the
 * names there are.
 */
gboolean tcs_clock_name_check(const char *option, const char *name,
                              GError **error);

/* The same for all names of an option; NULL where none was given. */
gboolean tcs_clock_names_check(const char *option, char **names,
                               GError **error);

/* Whether a log may have a clock of this name: "guest:local@3", "host:mono". */
gboolean tcs_clock_name_is_of_logs(const char *name);

/* ", NAME" for each clock that is no counter: POSIX's, then ftrace's others. */
void tcs_clock_names_append(GString *names);

G_END_DECLS

#endif
