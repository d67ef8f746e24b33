/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which vCPU, and which thread on the host, a guest's CPU is, by a log.
 */
#ifndef COLLECTOR_GUEST_VCPU_H
#define COLLECTOR_GUEST_VCPU_H

#include "log.h"
#include "vm-windows.h"

G_BEGIN_DECLS

/*
 * By hardware id; where the log has none of this CPU, the vCPU of its number.
 * As it was while the thread ran it that most samples name, the last of several
 * with as many: in a QEMU that was started again each vCPU has a new one.
 * Belongs to the log. TCS_ERROR_REFUSED where there is no such vCPU.
 */
const TcsVcpu *tcs_guest_vcpu(const TcsLog *log, gint64 guest_cpu,
                              GError **error);

/* All threads (int) that ran it, in their order; at least one, or an error. */
GArray *tcs_guest_threads(const TcsLog *log, gint64 guest_cpu, GError **error);

/*
 * The number under which `windows` has all of them together, from now on:
 * the thread's own where there is but one. 0 and an error as above.
 */
int tcs_guest_join_windows(const TcsLog *log, gint64 guest_cpu,
                           TcsVmWindows *windows, GError **error);

G_END_DECLS

#endif
