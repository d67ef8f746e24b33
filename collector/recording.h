/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM being recorded: its samples, their distances, its log, and what
 * becomes of samples that fail. Recordings know nothing of each other and share
 * the main loop, so none waits for another's VM.
 */
#ifndef COLLECTOR_RECORDING_H
#define COLLECTOR_RECORDING_H

#include "record-options.h"
#include "session.h"

G_BEGIN_DECLS

typedef struct TcsRecording TcsRecording;

/* What its owner is told and asked, from the main loop. */
typedef struct {
    /* A sample was taken, or the recording has ended. */
    void (*changed)(TcsRecording *recording, gpointer user_data);
    /* Whether it goes on as long as it takes for its VM to answer again. */
    gboolean (*is_patient)(gpointer user_data);
} TcsRecordingOwner;

/*
 * `session` is consumed; `output`, the log to create with the first sample, is
 * copied; the others outlive the recording. It begins after delay_ms.
 */
TcsRecording *tcs_recording_new(TcsSession *session, const char *output,
                                const TcsRecordOptions *options, guint delay_ms,
                                const TcsRecordingOwner *owner,
                                gpointer user_data);
/* Not while a sample is being taken, unless the main loop runs no more. */
void tcs_recording_free(TcsRecording *recording);

const char *tcs_recording_vm(const TcsRecording *recording);

/* Samples in the log. */
guint tcs_recording_samples(const TcsRecording *recording);

gboolean tcs_recording_has_ended(const TcsRecording *recording);

/* Why it ended early, or NULL. */
const GError *tcs_recording_error(const TcsRecording *recording);

/* Some last samples, then it ends. */
void tcs_recording_stop(TcsRecording *recording);
gboolean tcs_recording_is_stopping(const TcsRecording *recording);

/* It has ended for good: flushes the log and says on stderr what is in it. */
void tcs_recording_close(TcsRecording *recording);

/* Removes its log: there was no recording. */
void tcs_recording_discard(TcsRecording *recording);

G_END_DECLS

#endif
