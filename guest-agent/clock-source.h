/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way to read clocks. A new one is a file that defines a table and a line in
 * the list in clocks.c. A source knows nothing of CPUs: the caller keeps the
 * thread where it is.
 */
#ifndef GUEST_AGENT_CLOCK_SOURCE_H
#define GUEST_AGENT_CLOCK_SOURCE_H

#include "clockread/posix-clock.h"
#include "clocks.h"

struct tga_clock_source {
    const char *via; /* name on the wire */

    /*
     * Takes something of the system that a guest should not be made to spend
     * unasked, or has no clock of the guest's: only clocks asked for by name
     * are read from here.
     */
    bool costly;

    /*
     * Does what takes long before the first reading of `clock`, so that it
     * does not come between readings. Returns whether this source is going to
     * read the clock. NULL: nothing to do.
     */
    bool (*prepare)(const char *clock);

    /*
     * Reads `clock` `samples` (at least 1) times and keeps the tightest: fills
     * the counters, value, resolution and (unless ns) unit of *ret_reading,
     * whose cpu says where the thread is.
     * Returns 0; -ENOENT where this source does not know the clock; -EAGAIN
     * where the thread was moved to another CPU meanwhile; another -errno where
     * it fails. Except for -ENOENT there is a *ret_reason for a person (to be
     * freed).
     */
    int (*read)(const char *clock, unsigned int samples,
                struct tga_reading *ret_reading, char **ret_reason);

    /* Gives back what prepare() or read() took from the system; or NULL. */
    void (*release)(void);
};

/* For read(): what a sample says of a clock in nanoseconds. */
static inline void tga_reading_take(struct tga_reading *reading,
                                    const struct tcs_clock_sample *sample)
{
    reading->counter_before = sample->counter_before;
    reading->value = (uint64_t)sample->value_ns;
    reading->counter_after = sample->counter_after;
    reading->resolution_ns = sample->resolution_ns;
}

extern const struct tga_clock_source tga_source_counter;
extern const struct tga_clock_source tga_source_marker;
extern const struct tga_clock_source tga_source_perf;
extern const struct tga_clock_source tga_source_posix;
extern const struct tga_clock_source tga_source_ptp;

#endif
