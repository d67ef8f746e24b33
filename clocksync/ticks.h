/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of time, one C type each, so that mixing them does not compile.
 *
 * Sign convention of the whole project, stated here once:
 *     offset = guest - host.
 * Only a file format that wants the other sign may negate it.
 */
#ifndef CLOCKSYNC_TICKS_H
#define CLOCKSYNC_TICKS_H

#include <stdint.h>

/* A value of the host's free-running hardware counter (x86: TSC). */
struct tcs_host_ticks {
    uint64_t ticks;
};

/* A value of the counter as the guest reads it. Wraps modulo 2^64. */
struct tcs_guest_ticks {
    uint64_t ticks;
};

/*
 * Clock values and clock differences are int64_t nanoseconds, always inside a
 * struct tcs_ns_span (span.h), because no value travels without its bound.
 */

#endif
