/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places what a guest read on the host's counter, through its vCPU's mapping or
 * the line that a method found, and refuses what these exclude.
 */
#ifndef COLLECTOR_PLACE_H
#define COLLECTOR_PLACE_H

#include "session.h"

G_BEGIN_DECLS

/*
 * The vCPU that is a guest's CPU: by hardware id; else any vCPU where all have
 * the same exact mapping. NULL and TCS_ERROR_REFUSED where that cannot be told,
 * or where the vCPU's mapping is unknown or not stable.
 */
const TcsVcpu *tcs_place_vcpu(const TcsSample *sample, gint64 guest_cpu,
                              GError **error);

/*
 * Where on the host's counter a guest reading was taken. *ret_vcpu is the vCPU
 * it was taken on, NULL where no hypervisor tells. TCS_ERROR_REFUSED where that
 * is outside the window in which the guest was asked (the guest lies, or the
 * mapping is wrong), with *ret_contradiction set.
 */
gboolean tcs_place_reading(const TcsSample *sample, const TcsGuestClock *clock,
                           struct tcs_host_reading *ret_reading,
                           const TcsVcpu **ret_vcpu,
                           gboolean *ret_contradiction, GError **error);

G_END_DECLS

#endif
