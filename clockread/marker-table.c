/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which clocks a marker reads, and what their stamps mean: what of
 * marker-clock.h does not need libtracefs.
 */
#include "marker-clock.h"

#include <string.h>

const struct tcs_marker_clock tcs_marker_clocks[TCS_MARKER_CLOCKS_MAX + 1] = {
    { "local", TCS_MARKER_NS },      { "global", TCS_MARKER_NS },
    { "perf", TCS_MARKER_NS },       { "uptime", TCS_MARKER_UPTIME },
    { "counter", TCS_MARKER_COUNT }, { "mono", TCS_MARKER_NS },
    { "mono_raw", TCS_MARKER_NS },   { "boot", TCS_MARKER_NS },
    { NULL, TCS_MARKER_NS },
};

const struct tcs_marker_clock *tcs_marker_clock_find(const char *name)
{
    for (const struct tcs_marker_clock *clock = tcs_marker_clocks; clock->name;
         clock++) {
        if (strcmp(clock->name, name) == 0) {
            return clock;
        }
    }
    return NULL;
}

uint32_t tcs_uptime_resolution(uint64_t step_ns, uint64_t jiffy_ns)
{
    uint64_t sum;

    if (__builtin_add_overflow(step_ns, jiffy_ns, &sum) || sum > UINT32_MAX) {
        return UINT32_MAX;
    }
    return (uint32_t)sum;
}
