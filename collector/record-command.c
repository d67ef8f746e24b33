/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See record-command.h.
 */
#include "record-command.h"

#include <signal.h>

#include "error.h"

struct TcsCommand {
    GPid pid; /* 0 after it has ended */
    guint watch;
    void (*ended)(const char *reason, gpointer user_data);
    gpointer user_data;
};

static void on_end(GPid pid, gint wait_status, gpointer user_data)
{
    TcsCommand *command = user_data;
    g_autoptr(GError) error = NULL;

    g_spawn_close_pid(pid);
    command->pid = 0;
    command->watch = 0;
    g_spawn_check_wait_status(wait_status, &error);
    command->ended(error ? error->message : NULL, command->user_data);
}

TcsCommand *tcs_command_start(char **argv,
                              void (*ended)(const char *reason,
                                            gpointer user_data),
                              gpointer user_data, GError **error)
{
    TcsCommand *command = g_new0(TcsCommand, 1);
    g_autoptr(GError) spawn_error = NULL;

    if (!g_spawn_async(NULL, argv, NULL,
                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH |
                           G_SPAWN_CHILD_INHERITS_STDIN,
                       NULL, NULL, &command->pid, &spawn_error)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot start %s: %s",
                    argv[0], spawn_error->message);
        g_free(command);
        return NULL;
    }
    command->ended = ended;
    command->user_data = user_data;
    command->watch = g_child_watch_add(command->pid, on_end, command);
    return command;
}

gboolean tcs_command_is_running(const TcsCommand *command)
{
    return command && command->pid != 0;
}

void tcs_command_signal(const TcsCommand *command, int number)
{
    if (tcs_command_is_running(command)) {
        kill(command->pid, number);
    }
}

void tcs_command_free(TcsCommand *command)
{
    if (command) {
        g_clear_handle_id(&command->watch, g_source_remove);
        g_free(command);
    }
}
