/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync record`: samples one VM into a sync log until it is told to
 * stop, or for as long as a command runs.
 */
#include "verb.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "log.h"
#include "record-command.h"
#include "record-options.h"

/* So many failed samples in a row, and nothing to wait for: give up. */
#define FAILURES_MAX 5

/*
 * Distances between the first samples, and between the last ones. The rate in
 * an interval is bounded by its neighbours', and the outermost intervals have
 * but one: so those are as short as a sample allows, and the others grow from
 * there.
 */
static const guint first_ms[] = { 1, 20, 100, 500 };
static const guint last_ms[] = { 100, 20, 1 };

#define SAMPLES_BEFORE_COMMAND 2

typedef struct {
    const TcsRecordOptions *options;
    GMainLoop *loop;
    TcsSession *session;
    TcsLogWriter *log;
    TcsCommand *command; /* NULL: none, or not yet */
    guint timer;
    guint samples;
    guint failures; /* in a row */
    guint failed;   /* in all */
    gint64 start_us;
    gboolean sampling;
    gboolean interrupted; /* Ctrl-C while the command runs */
    gboolean stopping;
    gboolean told_unread;
    guint last_done; /* of last_ms */
    GError *error;
} Record;

static gboolean take_sample(gpointer user_data);

/* The first error counts. Consumes `error`. */
static void keep_error(Record *record, GError *error)
{
    if (!record->error) {
        record->error = error;
    } else {
        g_clear_error(&error);
    }
}

/* Consumes `error`; NULL: all is well. */
static void quit(Record *record, GError *error)
{
    keep_error(record, error);
    g_main_loop_quit(record->loop);
}

/*
 * Nothing more can be recorded. A command is not left behind: its user waits
 * for it, and is told meanwhile.
 */
static void give_up(Record *record, GError *error)
{
    if (!tcs_command_is_running(record->command)) {
        quit(record, error);
        return;
    }
    fprintf(stderr, "%s: the recording has ended early: %s; waiting for %s\n",
            g_get_prgname(), error->message, record->options->command[0]);
    keep_error(record, error);
}

static void show_progress(const Record *record)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s: %u samples, %.0f s%s", record->options->output,
                record->samples,
                (double)(g_get_monotonic_time() - record->start_us) / 1e6,
                record->stopping ? "\n" : " ");
    }
}

static void schedule(Record *record, guint delay_ms)
{
    record->timer = g_timeout_add(delay_ms, take_sample, record);
}

static void schedule_next(Record *record)
{
    guint interval_ms = record->options->interval_ms;

    if (record->stopping) {
        if (record->last_done == G_N_ELEMENTS(last_ms)) {
            quit(record, NULL);
        } else {
            schedule(record, MIN(last_ms[record->last_done], interval_ms));
            record->last_done++;
        }
    } else if (record->samples <= G_N_ELEMENTS(first_ms)) {
        schedule(record,
                 MIN(first_ms[MAX(record->samples, 1) - 1], interval_ms));
    } else {
        schedule(record, interval_ms);
    }
}

/* Ends the recording in good order: some last samples, then quit. */
static void stop(Record *record)
{
    if (record->stopping) {
        return;
    }
    record->stopping = TRUE;
    if (!record->sampling) {
        g_clear_handle_id(&record->timer, g_source_remove);
        take_sample(record);
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
    if (record->error) {
        quit(record, NULL);
    } else {
        stop(record);
    }
}

/*
 * Of SIGINT the first ends the recording in good order, when the command has
 * ended; the second ends it now, with the log as it is.
 */
static gboolean on_interrupt(gpointer user_data)
{
    Record *record = user_data;

    if (record->samples == 0) {
        quit(record, g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                                 "interrupted before the first sample"));
    } else if (record->interrupted || record->stopping) {
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
    if (record->samples == 0) {
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

/* Whether a first sample is one to begin with. */
static gboolean check_first(const Record *record, const TcsSample *sample,
                            GError **error)
{
    g_autofree char *unread = tcs_record_find_unread(record->options, sample);

    if (unread) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_REFUSED, unread);
    }
    return !unread;
}

/* Said once: the log has it sample by sample. */
static void tell_unread(Record *record, const TcsSample *sample)
{
    g_autofree char *unread =
        record->told_unread ? NULL
                            : tcs_record_find_unread(record->options, sample);

    if (unread) {
        record->told_unread = TRUE;
        fprintf(stderr, "%s: going on without a clock: %s\n", g_get_prgname(),
                unread);
    }
}

/* The first sample: only now is it sure that there will be a recording. */
static gboolean begin(Record *record, const TcsSample *sample, GError **error)
{
    if (!check_first(record, sample, error)) {
        return FALSE;
    }
    record->log = tcs_log_create(record->options->output,
                                 tcs_session_vm(record->session), error);
    if (record->log && !tcs_log_append(record->log, sample, error)) {
        tcs_log_discard(g_steal_pointer(&record->log));
    }
    return record->log != NULL;
}

/*
 * The command runs within the recording, so it starts when that has begun; and
 * after the second sample, because starting it takes longer than those two are
 * to be apart.
 */
static gboolean start_command(Record *record, GError **error)
{
    char **command = record->options->command;

    if (!command || record->command || record->stopping ||
        record->samples < SAMPLES_BEFORE_COMMAND) {
        return TRUE;
    }
    record->command = tcs_command_start(command, on_command_end, record, error);
    if (!record->command) {
        tcs_log_discard(g_steal_pointer(&record->log));
        record->samples = 0;
    }
    return record->command != NULL;
}

static void on_failure(Record *record, GError *error)
{
    if (record->samples == 0) {
        quit(record, error);
        return;
    }
    record->failed++;
    record->failures++;
    if (record->failures == 1) {
        fprintf(stderr, "%s: a sample failed, going on: %s\n", g_get_prgname(),
                error->message);
    }
    tcs_session_reset(record->session);
    if (record->stopping || (record->failures >= FAILURES_MAX &&
                             !tcs_command_is_running(record->command))) {
        quit(record, error);
        return;
    }
    g_error_free(error);
    schedule(record, record->options->interval_ms);
}

static void on_sample(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Record *record = user_data;
    GError *error = NULL;
    g_autoptr(TcsSample) sample = tcs_session_sample_finish(result, &error);

    record->sampling = FALSE;
    if (!sample) {
        on_failure(record, error);
        return;
    }
    if (record->samples == 0) {
        if (!begin(record, sample, &error)) {
            quit(record, error);
            return;
        }
    } else if (!tcs_log_append(record->log, sample, &error)) {
        give_up(record, error);
        return;
    }
    record->samples++;
    record->failures = 0;
    if (!start_command(record, &error)) {
        quit(record, error);
        return;
    }
    tell_unread(record, sample);
    show_progress(record);
    schedule_next(record);
}

static gboolean take_sample(gpointer user_data)
{
    Record *record = user_data;

    record->timer = 0;
    record->sampling = TRUE;
    tcs_session_sample_async(record->session, on_sample, record);
    return G_SOURCE_REMOVE;
}

static void finish(Record *record)
{
    GError *error = NULL;

    if (record->log && !tcs_log_close(record->log, &error)) {
        quit(record, error);
    }
    if (record->samples > 0 && record->options->command && !record->command) {
        fprintf(stderr, "%s: %s was not started\n", g_get_prgname(),
                record->options->command[0]);
    }
    if (record->samples > 0) {
        g_autofree char *failed =
            record->failed ? g_strdup_printf(", %u failed", record->failed)
                           : g_strdup("");

        fprintf(stderr, "%s: %u samples of %s over %.1f s%s\n",
                record->options->output, record->samples,
                tcs_session_vm(record->session),
                (double)(g_get_monotonic_time() - record->start_us) / 1e6,
                failed);
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

static void record_run(const TcsRecordOptions *options, GError **error)
{
    Record record = {
        .options = options,
        .loop = g_main_loop_new(NULL, FALSE),
        .session = tcs_session_new(&options->session),
        .start_us = g_get_monotonic_time(),
    };

    catch_signals(&record);
    take_sample(&record);
    g_main_loop_run(record.loop);
    finish(&record);
    if (record.error) {
        g_propagate_error(error, record.error);
    }
    tcs_command_free(record.command);
    tcs_session_free(record.session);
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
