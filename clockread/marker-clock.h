/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks that only ftrace can read: an event is written into a private ftrace
 * instance that uses the clock, between two counter reads, and the time ftrace
 * gave it is read back. Needs root. One instance a clock, because the kernel
 * waits for RCU grace periods, tens of milliseconds, each time an instance's
 * clock is changed.
 */
#ifndef CLOCKREAD_MARKER_CLOCK_H
#define CLOCKREAD_MARKER_CLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "posix-clock.h"

enum tcs_marker_kind {
    TCS_MARKER_NS,     /* stamps are nanoseconds */
    TCS_MARKER_UPTIME, /* 1/100 s (USER_HZ), moved on by the timer tick */
    TCS_MARKER_COUNT,  /* no time: one more each time any event reads it */
};

struct tcs_marker_clock {
    const char *name; /* ftrace's */
    enum tcs_marker_kind kind;
};

#define TCS_MARKER_CLOCKS_MAX 8

/* All that can be read, TCS_MARKER_CLOCKS_MAX at most; then name == NULL. */
extern const struct tcs_marker_clock tcs_marker_clocks[];

/* By name, or NULL. */
const struct tcs_marker_clock *tcs_marker_clock_find(const char *name);

struct tcs_marker;

/*
 * Makes the instance; takes from one to some tens of milliseconds and, before
 * Linux 6.6, 12 MB of the kernel's memory; where that is short it fails. It is
 * removed by tcs_marker_close(), and by itself soon after the process has
 * ended in any other way. Instances of dead processes are removed as well.
 * tracefs must be mounted; it is not mounted here.
 *
 * Opening and closing is for one thread at a time; each marker is one
 * thread's at a time.
 *
 * Returns 0, or -errno with a reason for a person in ret_reason: what failed,
 * where, and what to do.
 */
int tcs_marker_open(const struct tcs_marker_clock *clock,
                    struct tcs_marker **ret_marker, char *ret_reason,
                    size_t reason_size);

/*
 * Reads the clock `samples` (at least 1) times and keeps the tightest;
 * TCS_MARKER_UPTIME once, as it moves on, which takes up to a step of it. The
 * thread should be held on `cpu`; what it read elsewhere does not count.
 *
 * ret_sample->value_ns is in nanoseconds, for TCS_MARKER_COUNT the count.
 * resolution_ns: for TCS_MARKER_NS 1; for TCS_MARKER_COUNT 0: exactly that
 * count was reached within the bracket; for TCS_MARKER_UPTIME by how much the
 * value may be behind a clock that does not wait for ticks
 * (tcs_uptime_resolution()).
 *
 * Returns 0; -EAGAIN where no event was found on that CPU, which happens to a
 * thread that may migrate; another -errno with ret_reason filled.
 */
int tcs_marker_read(struct tcs_marker *marker, int cpu, unsigned int samples,
                    struct tcs_clock_sample *ret_sample, char *ret_reason,
                    size_t reason_size);

void tcs_marker_close(struct tcs_marker *marker);

/*
 * By how much the clock `uptime` may be behind when it is read as it moves on:
 *   step_ns   how far it moved: ftrace rounds it down to multiples of 1/USER_HZ
 *             (one step usually; more where the kernel's ticks were late, and a
 *             stamp just before was as late as that);
 *   jiffy_ns  the kernel's count of ticks is rounded down to whole ticks.
 * Saturates.
 */
uint32_t tcs_uptime_resolution(uint64_t step_ns, uint64_t jiffy_ns);

#endif
