/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What puts the CPUs of a guest's trace on the clock of the host's, by a log.
 */
#ifndef COLLECTOR_ALIGNMENT_H
#define COLLECTOR_ALIGNMENT_H

#include "log.h"
#include "model.h"
#include "shift-table.h"
#include "trace-file.h"

G_BEGIN_DECLS

typedef struct {
    TcsLog *log;
    TcsModel *model;
    const char *guest_clock; /* ftrace's names; borrowed */
    const char *host_clock;
    GPtrArray *tables;                /* of TcsShiftTable, each once */
    const TcsShiftTable **cpu_tables; /* for each of the guest's CPUs */
} TcsAlignment;

/*
 * Reads the log; what it leaves out is told on standard error. `boot`: see
 * tcs_boots_keep(); NULL: all of it.
 */
gboolean tcs_alignment_open_log(TcsAlignment *alignment, const char *path,
                                const char *boot, GError **error);

/*
 * Fills tables and cpu_tables, from guest_clock to host_clock, which the caller
 * has set. TCS_ERROR_REFUSED where that cannot be known.
 */
gboolean tcs_alignment_compute(TcsAlignment *alignment,
                               const TcsTraceFile *guest, GError **error);

void tcs_alignment_clear(TcsAlignment *alignment);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsAlignment, tcs_alignment_clear)

G_END_DECLS

#endif
