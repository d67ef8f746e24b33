/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads this machine's clocks over and over in a thread of its own while a
 * guest is being asked, so that a host reading exists within some ten
 * microseconds of the guest's, whenever that was taken: the shorter the way
 * to the next reading, the less the clocks' rates matter.
 */
#ifndef COLLECTOR_HOST_SAMPLER_H
#define COLLECTOR_HOST_SAMPLER_H

#include <glib.h>

#include "host-clocks.h"

G_BEGIN_DECLS

typedef struct TcsHostSampler TcsHostSampler;

/*
 * Reads every POSIX clock, if they are wanted, and `clocks` (may be NULL),
 * which is the thread's until it has ended. Each is read at least twice. NULL
 * where that is none at all.
 */
TcsHostSampler *tcs_host_sampler_start(TcsHostClocks *clocks,
                                       gboolean reads_posix);

/*
 * Ends the thread and returns its readings: an array of TcsHostClock
 * (qmp-reply.h), clock by clock in the order they were taken; the newest ones
 * where there were more than fit. `local` is called "local@CPU". Frees the
 * sampler, which may be NULL.
 */
GArray *tcs_host_sampler_stop(TcsHostSampler *sampler);

/*
 * By how much this kernel's clocks may run off their nominal rate at present,
 * in ppm: what adjtimex() may correct (500) and any coarse tick adjustment.
 */
guint tcs_host_clock_slew_ppm(void);

G_END_DECLS

#endif
