/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that lies: trace-clock-agent itself, linked so that every counter it
 * reports is off by FAKE_LIE_TICKS (environment, signed). For the testbed.
 */
#include <stdlib.h>
#include <string.h>

#include "guest-agent/clocks.h"

bool __real_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error);
bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error);

bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error)
{
    const char *lie = getenv("FAKE_LIE_TICKS");
    uint64_t ticks = lie ? (uint64_t)strtoll(lie, NULL, 10) : 0;

    if (!__real_tga_read_clocks(request, ret_report, error)) {
        return false;
    }
    for (guint i = 0; i < ret_report->readings->len; i++) {
        struct tga_reading *reading =
            &g_array_index(ret_report->readings, struct tga_reading, i);

        reading->counter_before += ticks;
        reading->counter_after += ticks;
        if (strcmp(reading->via, "counter") == 0) {
            reading->value += ticks;
        }
    }
    return true;
}
