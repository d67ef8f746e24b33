/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `trace-clock-sync record`.
 */
#ifndef COLLECTOR_RECORD_OPTIONS_H
#define COLLECTOR_RECORD_OPTIONS_H

#include "session.h"
#include "target-options.h"

G_BEGIN_DECLS

typedef struct {
    TcsTargetOptions target;
    TcsSessionOptions session; /* borrows from target; host_clocks is owned */
    char **vms;    /* NAME,QMP[,AGENT] each, in place of `target`; or NULL */
    char *output;  /* a directory where several VMs are recorded */
    char **clocks; /* of the guest; NULL: the agent's choice */
    char **host_clocks; /* besides those QEMU reads; NULL: none */
    guint interval_ms;
    char **command; /* borrows from argv; NULL: none */
} TcsRecordOptions;

/*
 * FALSE with TCS_ERROR_USAGE, or another where a host clock cannot be opened.
 * tcs_record_options_clear() is due either way.
 */
gboolean tcs_record_options_parse(int argc, char **argv, TcsRecordOptions *ret,
                                  GError **error);

/*
 * Why a clock that was named, of the host or the guest, is not in a sample;
 * NULL: all are. The caller frees it.
 */
char *tcs_record_find_unread(const TcsRecordOptions *options,
                             const TcsSample *sample);

void tcs_record_options_clear(TcsRecordOptions *options);

G_END_DECLS

#endif
