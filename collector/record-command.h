/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command that a recording is made for. Knows nothing of recordings.
 */
#ifndef COLLECTOR_RECORD_COMMAND_H
#define COLLECTOR_RECORD_COMMAND_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct TcsCommand TcsCommand;

/*
 * Starts argv[0] (searched in PATH) in this process group, so that a terminal's
 * Ctrl-C reaches it too. `ended` is called from the main loop once it has
 * ended; the reason is NULL where it ended well, else belongs to the caller
 * only for that call. TCS_ERROR_FILE where it cannot be started.
 */
TcsCommand *tcs_command_start(char **argv,
                              void (*ended)(const char *reason,
                                            gpointer user_data),
                              gpointer user_data, GError **error);

/* Whether it still runs. `command` may be NULL: then it does not. */
gboolean tcs_command_is_running(const TcsCommand *command);

/* Does nothing where it does not run. */
void tcs_command_signal(const TcsCommand *command, int number);

/* Where it still runs, it goes on alone. `command` may be NULL. */
void tcs_command_free(TcsCommand *command);

G_END_DECLS

#endif
