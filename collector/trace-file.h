/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace.dat that is to be extended, in place or as a copy.
 */
#ifndef COLLECTOR_TRACE_FILE_H
#define COLLECTOR_TRACE_FILE_H

#include <glib.h>

#include "formats/trace-dat-events.h"
#include "formats/trace-dat.h"

G_BEGIN_DECLS

typedef struct {
    char *path; /* as the user named it */
    int fd;
    struct tcs_trace_dat dat;
    char *copy_path; /* where a copy is being made that has a name, or NULL */
    char *new_path;  /* its name once it is whole */
    gboolean is_named, is_kept; /* of a copy */
} TcsTraceFile;

/* Opens and reads a file that is not to be extended. TCS_ERROR_FILE. */
TcsTraceFile *tcs_trace_file_open(const char *path, GError **error);

/*
 * Opens and reads a file that is to be extended; nobody else may be doing so.
 * With `new_path` a copy is what will be extended; it gets that name when it is
 * whole, and no file of that name may exist. TCS_ERROR_FILE.
 */
TcsTraceFile *tcs_trace_file_open_to_extend(const char *path,
                                            const char *new_path,
                                            GError **error);

/*
 * Discards a copy that was not finished.
 */
void tcs_trace_file_free(TcsTraceFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsTraceFile, tcs_trace_file_free)

/* Adds the options. TCS_ERROR_FILE. */
gboolean tcs_trace_file_append(TcsTraceFile *file,
                               const struct tcs_trace_dat_options *options,
                               GError **error);

/*
 * Gives a copy its name, until tcs_trace_file_free() takes that away again if
 * tcs_trace_file_keep() was not called meanwhile. TCS_ERROR_FILE. Of a file
 * that is extended in place there is nothing to do.
 */
gboolean tcs_trace_file_name(TcsTraceFile *file, GError **error);
void tcs_trace_file_keep(TcsTraceFile *file);

/*
 * tcs_trace_dat_each_event() of a file that the user named: TCS_ERROR_FILE
 * where libtracecmd cannot read it; TRUE also where the function ended the
 * walk.
 */
gboolean tcs_trace_file_each_event(const char *path, tcs_trace_dat_event_fn *fn,
                                   void *data, GError **error);

/* Whether two paths lead to the same file. */
gboolean tcs_trace_file_is_same(const char *a, const char *b);

/* Whether files that are to be made at two paths would be one. */
gboolean tcs_trace_file_is_same_place(const char *a, const char *b);

G_END_DECLS

#endif
