/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMs that a recording is of, and where each one's log goes.
 */
#ifndef COLLECTOR_RECORD_TARGETS_H
#define COLLECTOR_RECORD_TARGETS_H

#include "record-options.h"

G_BEGIN_DECLS

typedef struct {
    TcsSession *session;
    char *output;
} TcsRecordTarget;

/*
 * Of TcsRecordTarget; libvirt may be asked. Several VMs' logs lie in a
 * directory, which is made where it is missing: *ret_made says whether it was.
 * TCS_ERROR_FILE where a log is there already.
 */
GPtrArray *tcs_record_targets(const TcsRecordOptions *options,
                              gboolean *ret_made, GError **error);

/*
 * A file's name for a VM's: letters, digits, '-', '_' and '.' (not in front)
 * stay, any other byte becomes %XX; what is too long for a file is cut and gets
 * a hash. Different names give different file names. The caller frees it.
 */
char *tcs_record_file_name(const char *vm);

G_END_DECLS

#endif
