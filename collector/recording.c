/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See recording.h.
 */
#include "recording.h"

#include <stdio.h>

#include "error.h"
#include "failures.h"
#include "log.h"

/*
 * Distances between the first samples, and between the last ones. The rate in
 * an interval is bounded by its neighbours', and the outermost intervals have
 * but one: so those are as short as a sample allows, and the others grow from
 * there.
 */
static const guint first_ms[] = { 1, 20, 100, 500 };
static const guint last_ms[] = { 100, 20, 1 };

struct TcsRecording {
    const TcsRecordOptions *options;
    const TcsRecordingOwner *owner;
    gpointer owner_data;
    TcsSession *session;
    char *output;
    TcsLogWriter *log;
    guint timer;
    guint samples;
    TcsFailures failures;
    gint64 start_us;
    gboolean sampling;
    gboolean stopping;
    gboolean ended;
    gboolean told_unread;
    guint last_done; /* of last_ms */
    GError *error;
};

static gboolean take_sample(gpointer user_data);

/* The first error counts. Consumes `error`. */
static void keep_error(TcsRecording *recording, GError *error)
{
    if (!recording->error) {
        recording->error = error;
    } else {
        g_clear_error(&error);
    }
}

/* Consumes `error`; NULL: all is well. */
static void end(TcsRecording *recording, GError *error)
{
    keep_error(recording, error);
    g_clear_handle_id(&recording->timer, g_source_remove);
    recording->ended = TRUE;
    recording->owner->changed(recording, recording->owner_data);
}

static void schedule(TcsRecording *recording, guint delay_ms)
{
    recording->timer = g_timeout_add(delay_ms, take_sample, recording);
}

static void schedule_next(TcsRecording *recording)
{
    guint interval_ms = recording->options->interval_ms;

    if (recording->stopping) {
        if (recording->last_done == G_N_ELEMENTS(last_ms)) {
            end(recording, NULL);
        } else {
            schedule(recording,
                     MIN(last_ms[recording->last_done], interval_ms));
            recording->last_done++;
        }
    } else if (recording->samples <= G_N_ELEMENTS(first_ms)) {
        schedule(recording,
                 MIN(first_ms[MAX(recording->samples, 1) - 1], interval_ms));
    } else {
        schedule(recording, interval_ms);
    }
}

void tcs_recording_stop(TcsRecording *recording)
{
    if (recording->stopping || recording->ended) {
        return;
    }
    recording->stopping = TRUE;
    if (!recording->sampling) {
        g_clear_handle_id(&recording->timer, g_source_remove);
        take_sample(recording);
    }
}

/* Whether a first sample is one to begin with. */
static gboolean check_first(const TcsRecording *recording,
                            const TcsSample *sample, GError **error)
{
    g_autofree char *unread =
        tcs_record_find_unread(recording->options, sample);

    if (unread) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_REFUSED, unread);
    }
    return !unread;
}

/* Said once: the log has it sample by sample. */
static void tell_unread(TcsRecording *recording, const TcsSample *sample)
{
    g_autofree char *unread =
        recording->told_unread
            ? NULL
            : tcs_record_find_unread(recording->options, sample);

    if (unread) {
        recording->told_unread = TRUE;
        fprintf(stderr, "%s: going on without a clock: %s\n", g_get_prgname(),
                unread);
    }
}

/* The first sample: only now is it sure that there will be a recording. */
static gboolean begin(TcsRecording *recording, const TcsSample *sample,
                      GError **error)
{
    if (!check_first(recording, sample, error)) {
        return FALSE;
    }
    recording->log =
        tcs_log_create(recording->output, tcs_recording_vm(recording), error);
    if (recording->log && !tcs_log_append(recording->log, sample, error)) {
        tcs_log_discard(g_steal_pointer(&recording->log));
    }
    return recording->log != NULL;
}

static void on_failure(TcsRecording *recording, GError *error)
{
    gint64 now_us = g_get_monotonic_time();

    if (recording->samples == 0) {
        end(recording, error);
        return;
    }
    tcs_failures_add(&recording->failures, now_us);
    tcs_session_reset(recording->session);
    if (recording->stopping ||
        (tcs_failures_are_final(&recording->failures, now_us) &&
         !recording->owner->is_patient(recording->owner_data))) {
        end(recording, error);
        return;
    }
    tcs_failures_tell(&recording->failures, error);
    g_error_free(error);
    schedule(recording, recording->options->interval_ms);
}

static void on_sample(GObject *source, GAsyncResult *result, gpointer user_data)
{
    TcsRecording *recording = user_data;
    GError *error = NULL;
    g_autoptr(TcsSample) sample = tcs_session_sample_finish(result, &error);

    recording->sampling = FALSE;
    if (!sample) {
        on_failure(recording, error);
        return;
    }
    if (!(recording->samples ? tcs_log_append(recording->log, sample, &error)
                             : begin(recording, sample, &error))) {
        end(recording, error);
        return;
    }
    recording->samples++;
    tcs_failures_end(&recording->failures, tcs_recording_vm(recording),
                     g_get_monotonic_time());
    tell_unread(recording, sample);
    recording->owner->changed(recording, recording->owner_data);
    if (!recording->ended) {
        schedule_next(recording);
    }
}

static gboolean take_sample(gpointer user_data)
{
    TcsRecording *recording = user_data;

    recording->timer = 0;
    recording->sampling = TRUE;
    tcs_session_sample_async(recording->session, on_sample, recording);
    return G_SOURCE_REMOVE;
}

TcsRecording *tcs_recording_new(TcsSession *session, const char *output,
                                const TcsRecordOptions *options, guint delay_ms,
                                const TcsRecordingOwner *owner,
                                gpointer user_data)
{
    TcsRecording *recording = g_new0(TcsRecording, 1);

    recording->options = options;
    recording->owner = owner;
    recording->owner_data = user_data;
    recording->session = session;
    recording->output = g_strdup(output);
    recording->start_us = g_get_monotonic_time();
    schedule(recording, delay_ms);
    return recording;
}

void tcs_recording_free(TcsRecording *recording)
{
    g_clear_handle_id(&recording->timer, g_source_remove);
    g_clear_error(&recording->error);
    tcs_session_free(recording->session);
    g_free(recording->output);
    g_free(recording);
}

const char *tcs_recording_vm(const TcsRecording *recording)
{
    return tcs_session_vm(recording->session);
}

guint tcs_recording_samples(const TcsRecording *recording)
{
    return recording->samples;
}

gboolean tcs_recording_has_ended(const TcsRecording *recording)
{
    return recording->ended;
}

gboolean tcs_recording_is_stopping(const TcsRecording *recording)
{
    return recording->stopping;
}

const GError *tcs_recording_error(const TcsRecording *recording)
{
    return recording->error;
}

void tcs_recording_discard(TcsRecording *recording)
{
    g_clear_pointer(&recording->log, tcs_log_discard);
    recording->samples = 0;
}

void tcs_recording_close(TcsRecording *recording)
{
    GError *error = NULL;
    g_autofree char *failed =
        recording->failures.all
            ? g_strdup_printf(", %u failed", recording->failures.all)
            : g_strdup("");

    if (recording->log &&
        !tcs_log_close(g_steal_pointer(&recording->log), &error)) {
        keep_error(recording, error);
    }
    if (recording->samples > 0) {
        fprintf(stderr, "%s: %u samples of %s over %.1f s%s\n",
                recording->output, recording->samples,
                tcs_recording_vm(recording),
                (double)(g_get_monotonic_time() - recording->start_us) / 1e6,
                failed);
    }
}
