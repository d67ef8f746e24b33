/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this kernel says of its own CLOCK_REALTIME's error. Only asks; sets
 * nothing, and needs no privilege.
 */
#ifndef GUEST_AGENT_REALTIME_ERROR_H
#define GUEST_AGENT_REALTIME_ERROR_H

#include <stdbool.h>
#include <stdint.h>

struct tga_realtime_error {
    bool is_known;
    bool is_synchronized;
    uint64_t max_error_ns;
    uint64_t estimated_error_ns;
};

/*
 * Asks the kernel, and makes of *error, which is all zero at first, the worse
 * of the two. To be called right after a reading. Nothing changes where the
 * kernel does not answer (seccomp).
 */
void tga_realtime_error_note(struct tga_realtime_error *error);

#endif
