/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync record`: samples VMs into sync logs until it is told to
 * stop, or for as long as a command runs.
 */
#include "verb.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "record-command.h"
#include "record-options.h"
#include "record-targets.h"
#include "recording.h"

#define SAMPLES_BEFORE_COMMAND 2

/* Many VMs begin one after the other, so that they do not contend for CPUs. */
#define BEGIN_DISTANCE_MS 5

typedef struct {
    const TcsRecordOptions *options;
    GMainLoop *loop;
    GPtrArray *recordings; /* of TcsRecording */
    TcsCommand *command;   /* NULL: none, or not yet */
    gint64 start_us;
    gboolean interrupted; /* Ctrl-C while the command runs */
    GError *error;        /* of no VM in particular */
} Record;

static TcsRecording *recording_at(const Record *record, guint i)
{
    return g_ptr_array_index(record->recordings, i);
}

static gboolean is_several(const Record *record)
{
    return record->recordings->len > 1;
}

static guint count_samples(const Record *record)
{
    guint n = 0;

    for (guint i = 0; i < record->recordings->len; i++) {
        n += tcs_recording_samples(recording_at(record, i));
    }
    return n;
}

static gboolean have_all_ended(const Record *record)
{
    for (guint i = 0; i < record->recordings->len; i++) {
        if (!tcs_recording_has_ended(recording_at(record, i))) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean is_stopping(const Record *record)
{
    for (guint i = 0; i < record->recordings->len; i++) {
        if (tcs_recording_is_stopping(recording_at(record, i))) {
            return TRUE;
        }
    }
    return FALSE;
}

/* Consumes `error`; NULL: all is well. The first error counts. */
static void quit(Record *record, GError *error)
{
    if (!record->error) {
        record->error = error;
    } else {
        g_clear_error(&error);
    }
    g_main_loop_quit(record->loop);
}

static void show_progress(const Record *record)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s: %u samples, %.0f s%s", record->options->output,
                count_samples(record),
                (double)(g_get_monotonic_time() - record->start_us) / 1e6,
                is_stopping(record) ? "\n" : " ");
    }
}

static void stop(Record *record)
{
    for (guint i = 0; i < record->recordings->len; i++) {
        tcs_recording_stop(recording_at(record, i));
    }
}

/* `reason`: NULL where it ended well. */
static void on_command_end(const char *reason, gpointer user_data)
{
    Record *record = user_data;

    if (reason) {
        fprintf(stderr, "%s: %s: %s\n", g_get_prgname(),
                record->options->command[0], reason);
    }
    if (have_all_ended(record)) {
        quit(record, NULL);
    } else {
        stop(record);
    }
}

/*
 * The command runs within the recordings, so it starts when each has begun or
 * has failed; and after the second sample, because starting it takes longer
 * than those two are to be apart.
 */
static gboolean is_time_for_command(const Record *record)
{
    gboolean any = FALSE;

    for (guint i = 0; i < record->recordings->len; i++) {
        const TcsRecording *recording = recording_at(record, i);

        if (tcs_recording_is_stopping(recording)) {
            return FALSE;
        }
        if (tcs_recording_has_ended(recording)) {
            continue;
        }
        if (tcs_recording_samples(recording) < SAMPLES_BEFORE_COMMAND) {
            return FALSE;
        }
        any = TRUE;
    }
    return any;
}

static void start_command(Record *record)
{
    char **command = record->options->command;
    GError *error = NULL;

    if (!command || record->command || !is_time_for_command(record)) {
        return;
    }
    record->command =
        tcs_command_start(command, on_command_end, record, &error);
    if (!record->command) {
        for (guint i = 0; i < record->recordings->len; i++) {
            tcs_recording_discard(recording_at(record, i));
        }
        quit(record, error);
    }
}

/* Told at once where others go on, or a command is waited for. */
static void tell_end(Record *record, const TcsRecording *recording)
{
    const GError *error = tcs_recording_error(recording);

    if (!error) {
        return;
    }
    if (is_several(record)) {
        fprintf(stderr, "%s: %s: %s: %s\n", g_get_prgname(),
                tcs_recording_vm(recording),
                tcs_recording_samples(recording) ? "its recording has ended "
                                                   "early"
                                                 : "not recorded",
                error->message);
    }
    if (have_all_ended(record) && tcs_command_is_running(record->command)) {
        fprintf(stderr,
                "%s: the recording has ended early%s%s; waiting for %s\n",
                g_get_prgname(), is_several(record) ? "" : ": ",
                is_several(record) ? "" : error->message,
                record->options->command[0]);
    }
}

static void on_changed(TcsRecording *recording, gpointer user_data)
{
    Record *record = user_data;

    if (tcs_recording_has_ended(recording)) {
        tell_end(record, recording);
    } else {
        show_progress(record);
    }
    start_command(record);
    /* A command is not left behind: its user waits for it. */
    if (have_all_ended(record) && !tcs_command_is_running(record->command)) {
        quit(record, NULL);
    }
}

static gboolean is_patient(gpointer user_data)
{
    const Record *record = user_data;

    return tcs_command_is_running(record->command);
}

/*
 * Of SIGINT the first ends the recording in good order, when the command has
 * ended; the second ends it now, with the log as it is.
 */
static gboolean on_interrupt(gpointer user_data)
{
    Record *record = user_data;

    if (count_samples(record) == 0) {
        quit(record, g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                                 "interrupted before the first sample"));
    } else if (record->interrupted || is_stopping(record)) {
        quit(record, NULL);
    } else if (tcs_command_is_running(record->command)) {
        record->interrupted = TRUE;
        fprintf(stderr,
                "%s: waiting for %s to end; interrupt once more to end the "
                "recording now\n",
                g_get_prgname(), record->options->command[0]);
    } else {
        stop(record);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_ending_signal(Record *record, int number)
{
    if (count_samples(record) == 0) {
        return on_interrupt(record);
    }
    if (tcs_command_is_running(record->command)) {
        tcs_command_signal(record->command, number);
    } else {
        stop(record);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean on_terminate(gpointer user_data)
{
    return on_ending_signal(user_data, SIGTERM);
}

static gboolean on_hang_up(gpointer user_data)
{
    return on_ending_signal(user_data, SIGHUP);
}

/* The error of it all: the first VM's, or how many VMs have one. */
static void collect_errors(const Record *record, GError **error)
{
    const GError *first = record->error;
    guint failed = 0;

    for (guint i = 0; i < record->recordings->len; i++) {
        const GError *of_vm = tcs_recording_error(recording_at(record, i));

        failed += of_vm != NULL;
        first = first ? first : of_vm;
    }
    if (first && is_several(record) && !record->error) {
        g_set_error(error, first->domain, first->code,
                    "%u of %u VMs were not recorded to the end, see above",
                    failed, record->recordings->len);
    } else if (first) {
        g_propagate_error(error, g_error_copy(first));
    }
}

static void finish(Record *record)
{
    if (count_samples(record) > 0 && record->options->command &&
        !record->command) {
        fprintf(stderr, "%s: %s was not started\n", g_get_prgname(),
                record->options->command[0]);
    }
    for (guint i = 0; i < record->recordings->len; i++) {
        tcs_recording_close(recording_at(record, i));
    }
}

static void ignore(int number)
{
}

static void catch_signals(Record *record)
{
    /* A handler, unlike SIG_IGN, is not inherited by the command. */
    const struct sigaction too_large = { .sa_handler = ignore };
    struct sigaction hang_up;

    g_unix_signal_add(SIGINT, on_interrupt, record);
    g_unix_signal_add(SIGTERM, on_terminate, record);
    /* nohup(1) has it ignored. */
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 &&
        hang_up.sa_handler != SIG_IGN) {
        g_unix_signal_add(SIGHUP, on_hang_up, record);
    }
    /* Then write() fails, which is told like a full disk. */
    sigaction(SIGXFSZ, &too_large, NULL);
}

static const TcsRecordingOwner owner = {
    .changed = on_changed,
    .is_patient = is_patient,
};

static void record_run(const TcsRecordOptions *options, GError **error)
{
    gboolean made_directory;
    g_autoptr(GPtrArray) targets =
        tcs_record_targets(options, &made_directory, error);
    Record record = {
        .options = options,
        .start_us = g_get_monotonic_time(),
    };

    if (!targets) {
        return;
    }
    record.loop = g_main_loop_new(NULL, FALSE);
    record.recordings =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_recording_free);
    for (guint i = 0; i < targets->len; i++) {
        TcsRecordTarget *target = g_ptr_array_index(targets, i);

        g_ptr_array_add(
            record.recordings,
            tcs_recording_new(g_steal_pointer(&target->session), target->output,
                              options, i * BEGIN_DISTANCE_MS, &owner, &record));
    }
    catch_signals(&record);
    g_main_loop_run(record.loop);
    finish(&record);
    collect_errors(&record, error);
    if (made_directory && count_samples(&record) == 0) {
        rmdir(options->output);
    }
    g_clear_error(&record.error);
    tcs_command_free(record.command);
    g_ptr_array_unref(record.recordings);
    g_main_loop_unref(record.loop);
}

static int run(int argc, char **argv, GError **error)
{
    TcsRecordOptions options = { 0 };
    GError *failure = NULL;
    int status = 0;

    if (tcs_record_options_parse(argc, argv, &options, &failure)) {
        record_run(&options, &failure);
    }
    if (failure) {
        status = tcs_error_exit_status(failure);
        g_propagate_error(error, failure);
    }
    tcs_record_options_clear(&options);
    return status;
}

const TcsVerb tcs_verb_record = {
    .name = "record",
    .summary = "sample a VM's clocks into a log, perhaps while a command runs",
    .run = run,
};
