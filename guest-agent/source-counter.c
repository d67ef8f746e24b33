/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counter as a trace clock of its own (ftrace's x86-tsc, ppc-tb). Its value
 * is the first counter read; the second bounds how long the read took. Knows
 * only clockread/counter.h.
 */
#include <errno.h>
#include <string.h>

#include "clockread/counter.h"
#include "clock-source.h"

static int read_counter(const char *clock, unsigned int samples,
                        struct tga_reading *ret_reading, char **ret_reason)
{
    uint64_t best = UINT64_MAX;

    if (strcmp(clock, TCS_COUNTER_NAME) != 0) {
        return -ENOENT;
    }
    for (unsigned int i = 0; i < samples; i++) {
        uint64_t before = tcs_counter_before();
        uint64_t after = tcs_counter_after();

        if (i == 0 || after - before < best) {
            best = after - before;
            ret_reading->counter_before = before;
            ret_reading->value = before;
            ret_reading->counter_after = after;
        }
    }
    ret_reading->resolution_ns = 0;
    return 0;
}

const struct tga_clock_source tga_source_counter = {
    .via = "counter",
    .read = read_counter,
};
