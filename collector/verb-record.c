/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync record`: samples one VM into a sync log until it is told to
 * stop, or for as long as a command runs.
 */
#include "verb.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "log.h"
#include "session.h"
#include "target-options.h"

#define INTERVAL_S_DEFAULT 1.0
#define INTERVAL_S_MIN     0.01
#define INTERVAL_S_MAX     3600.0

/* So many failed samples in a row, and nothing to wait for: give up. */
#define FAILURES_MAX 5

/*
 * Distances between the first samples, and between the last ones. The rate in
 * an interval is bounded by its neighbours', and the outermost intervals have
 * but one: so those are short, and the others grow from there.
 */
static const guint first_ms[] = { 20, 100, 500 };
static const guint last_ms[] = { 100, 20 };

typedef struct {
    TcsTargetOptions target;
    TcsSessionOptions session; /* borrows from target */
    char *output;
    double interval_s;
    char **command; /* borrows from argv; NULL: none */
} Options;

typedef struct {
    const Options *options;
    GMainLoop *loop;
    TcsSession *session;
    TcsLogWriter *log;
    GPid child; /* 0 where none runs */
    guint timer;
    guint samples;
    guint failures; /* in a row */
    guint failed;   /* in all */
    gint64 start_us;
    gboolean sampling;
    gboolean stopping;
    guint last_done; /* of last_ms */
    GError *error;
} Record;

static gboolean take_sample(gpointer user_data);

static gboolean parse_options(int argc, char **argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &ret->output,
          "the sync log to create", "FILE" },
        { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &ret->interval_s,
          "time between samples, 0.01 to 3600 (default 1)", "SECONDS" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "-o FILE --qmp ADDRESS [--agent ADDRESS] [-- COMMAND...]");

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            ret->command = &argv[i + 1];
            argc = i;
            break;
        }
    }
    ret->interval_s = INTERVAL_S_DEFAULT;
    tcs_target_options_add(&ret->target, context);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Samples a VM's clocks into a log until Ctrl-C, or while "
                 "COMMAND runs.");
    g_option_context_set_description(
        context,
        "Example:\n"
        "  trace-clock-sync record -o run.tcs --qmp /run/vm/qmp.sock \\\n"
        "      --agent vsock:3 -- trace-cmd record -e kvm sleep 10\n");
    if (!tcs_options_parse(context, &argc, &argv, 0, error) ||
        !tcs_target_options_check(&ret->target, &ret->session, error)) {
        return FALSE;
    }
    if (!ret->output) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "-o is missing: where should the log go? For example -o "
                    "run.tcs");
        return FALSE;
    }
    if (!(ret->interval_s >= INTERVAL_S_MIN &&
          ret->interval_s <= INTERVAL_S_MAX)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--interval takes %g to %g seconds", INTERVAL_S_MIN,
                    INTERVAL_S_MAX);
        return FALSE;
    }
    if (ret->command && !ret->command[0]) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "there is no command after --");
        return FALSE;
    }
    return TRUE;
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

static void quit(Record *record, GError *error)
{
    if (!record->error) {
        record->error = error;
    } else {
        g_clear_error(&error);
    }
    g_main_loop_quit(record->loop);
}

static void schedule(Record *record, guint delay_ms)
{
    record->timer = g_timeout_add(delay_ms, take_sample, record);
}

static void schedule_next(Record *record)
{
    guint interval_ms = (guint)(record->options->interval_s * 1000);

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

static gboolean on_signal(gpointer user_data)
{
    Record *record = user_data;

    if (record->samples == 0) {
        quit(record, g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                                 "interrupted before the first sample"));
    } else {
        stop(record);
    }
    return G_SOURCE_CONTINUE;
}

static void on_child(GPid pid, gint wait_status, gpointer user_data)
{
    Record *record = user_data;
    g_autoptr(GError) error = NULL;

    g_spawn_close_pid(pid);
    record->child = 0;
    if (!g_spawn_check_wait_status(wait_status, &error)) {
        fprintf(stderr, "%s: %s: %s\n", g_get_prgname(),
                record->options->command[0], error->message);
    }
    stop(record);
}

static gboolean start_command(Record *record)
{
    GError *error = NULL;

    if (!record->options->command) {
        return TRUE;
    }
    if (!g_spawn_async(NULL, record->options->command, NULL,
                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH |
                           G_SPAWN_CHILD_INHERITS_STDIN,
                       NULL, NULL, &record->child, &error)) {
        quit(record,
             g_error_new(TCS_ERROR, TCS_ERROR_FILE, "cannot start %s: %s",
                         record->options->command[0], error->message));
        g_error_free(error);
        return FALSE;
    }
    g_child_watch_add(record->child, on_child, record);
    return TRUE;
}

/* The first sample: only now is it sure that there will be a recording. */
static gboolean begin(Record *record)
{
    GError *error = NULL;

    record->log = tcs_log_create(record->options->output,
                                 tcs_session_vm(record->session), &error);
    if (!record->log) {
        quit(record, error);
        return FALSE;
    }
    return start_command(record);
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
    if (record->stopping ||
        (record->failures >= FAILURES_MAX && !record->child)) {
        quit(record, error);
        return;
    }
    g_error_free(error);
    schedule(record, (guint)(record->options->interval_s * 1000));
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
    if (record->samples == 0 && !begin(record)) {
        return;
    }
    if (!tcs_log_append(record->log, sample, &error)) {
        quit(record, error);
        return;
    }
    record->samples++;
    record->failures = 0;
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

static int run(int argc, char **argv, GError **error)
{
    Options options = { 0 };
    int status = 0;

    if (!parse_options(argc, argv, &options, error)) {
        status = TCS_ERROR_USAGE;
    } else if (g_file_test(options.output, G_FILE_TEST_EXISTS)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s exists; a log is never overwritten: remove it or name "
                    "another",
                    options.output);
        status = TCS_ERROR_FILE;
    } else {
        Record record = {
            .options = &options,
            .loop = g_main_loop_new(NULL, FALSE),
            .session = tcs_session_new(&options.session),
            .start_us = g_get_monotonic_time(),
        };

        g_unix_signal_add(SIGINT, on_signal, &record);
        g_unix_signal_add(SIGTERM, on_signal, &record);
        take_sample(&record);
        g_main_loop_run(record.loop);
        finish(&record);
        if (record.error) {
            g_propagate_error(error, record.error);
            status = tcs_error_exit_status(*error);
        }
        tcs_session_free(record.session);
        g_main_loop_unref(record.loop);
    }
    tcs_target_options_clear(&options.target);
    g_free(options.output);
    return status;
}

const TcsVerb tcs_verb_record = {
    .name = "record",
    .summary = "sample a VM's clocks into a log, perhaps while a command runs",
    .run = run,
};
