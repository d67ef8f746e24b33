/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A way to read clocks. A new one is a file that defines a table and a line in
 * the list in clocks.c. A source knows nothing of CPUs: the caller keeps the
 * thread where it is.
 */
#ifndef GUEST_AGENT_CLOCK_SOURCE_H
#define GUEST_AGENT_CLOCK_SOURCE_H

#include "clocks.h"

struct tga_clock_source {
    const char *via; /* name on the wire */

    /*
     * Reads `clock` `samples` (at least 1) times and keeps the tightest: fills
     * the counters, value and resolution of *ret_reading.
     * Returns 0; -ENOENT where this source does not know the clock; another
     * -errno where it fails, with a *ret_reason for a person (to be freed).
     */
    int (*read)(const char *clock, unsigned int samples,
                struct tga_reading *ret_reading, char **ret_reason);
};

extern const struct tga_clock_source tga_source_counter;
extern const struct tga_clock_source tga_source_posix;

#endif
