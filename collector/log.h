/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sync log (.tcs): JSON Lines, a header and then one line per sample with
 * what was read, as it came. Results are computed from it and can be computed
 * again.
 */
#ifndef COLLECTOR_LOG_H
#define COLLECTOR_LOG_H

#include "session.h"

G_BEGIN_DECLS

#define TCS_LOG_VERSION 1

/* Writing. */

typedef struct TcsLogWriter TcsLogWriter;

/*
 * A new log with its header. An existing file is not touched: TCS_ERROR_FILE.
 */
TcsLogWriter *tcs_log_create(const char *path, const char *vm, GError **error);

/*
 * Appends one sample by one write. Where that fails (a full disk) the file is
 * cut back to its last whole line: TCS_ERROR_FILE. The same where the file was
 * removed: what is written would be lost.
 */
gboolean tcs_log_append(TcsLogWriter *writer, const TcsSample *sample,
                        GError **error);

/*
 * Flushes to disk and closes; TCS_ERROR_FILE where that fails, or the file was
 * removed meanwhile.
 */
gboolean tcs_log_close(TcsLogWriter *writer, GError **error);

/* Closes and removes a log with nothing in it worth keeping. */
void tcs_log_discard(TcsLogWriter *writer);

/* Reading. */

typedef struct {
    char *vm;
    guint host_slew_ppm;
    GPtrArray *samples;  /* of TcsSample */
    GPtrArray *warnings; /* of char *: lines that were left out, and why */
    guint damaged;       /* lines; may be more than there are warnings */
    /* In each reply only the epochs that the replies before had not. */
} TcsLog;

/*
 * A torn last line, damaged samples and samples that are not later than the
 * ones before become warnings, with their line numbers; a file that is no sync
 * log, or has no good header, is TCS_ERROR_FILE.
 */
TcsLog *tcs_log_read(const char *path, GError **error);

/*
 * The same, but hands each sample to `take`, which frees it, as it comes: the
 * log that is returned has none. Some may have been taken where it fails.
 */
typedef void (*TcsTakeSample)(TcsSample *sample, gpointer user_data);

TcsLog *tcs_log_read_each(const char *path, TcsTakeSample take,
                          gpointer user_data, GError **error);
void tcs_log_free(TcsLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsLog, tcs_log_free)

G_END_DECLS

#endif
