/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the same with each VM that was named, one after the other. One that
 * fails does not keep the others from being asked.
 */
#ifndef COLLECTOR_EACH_VM_H
#define COLLECTOR_EACH_VM_H

#include "session.h"
#include "target-options.h"

G_BEGIN_DECLS

/* An exit status, with *error set where that is to be printed. */
typedef int (*TcsDoVm)(TcsSession *session, gpointer user_data, GError **error);

/*
 * Returns an exit status: of the first that failed. Where there are several
 * their errors are printed as they come, and *error counts them.
 */
int tcs_each_vm(const TcsTargetOptions *target,
                const TcsSessionOptions *session, TcsDoVm do_vm,
                gpointer user_data, GError **error);

G_END_DECLS

#endif
