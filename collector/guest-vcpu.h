/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which vCPU, and which thread on the host, a guest's CPU is, by a log.
 */
#ifndef COLLECTOR_GUEST_VCPU_H
#define COLLECTOR_GUEST_VCPU_H

#include "log.h"

G_BEGIN_DECLS

/*
 * By hardware id; where the log has none of this CPU, the vCPU of its number.
 * Belongs to the log. TCS_ERROR_REFUSED where there is no such vCPU.
 */
const TcsVcpu *tcs_guest_vcpu(const TcsLog *log, gint64 guest_cpu,
                              GError **error);

G_END_DECLS

#endif
