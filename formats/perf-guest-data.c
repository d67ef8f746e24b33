/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See perf-guest-data.h.
 */
#include "perf-guest-data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t tcs_perf_guest_data_apply(struct tcs_perf_guest_data data,
                                   uint64_t guest)
{
    double host = (double)(guest - data.offset) / data.scale;

    return host < 0x1p64 ? (uint64_t)host : UINT64_MAX;
}

uint64_t tcs_perf_guest_data_rounding(struct tcs_perf_guest_data data,
                                      uint64_t host)
{
    if (data.scale == 1 && host < (uint64_t)1 << 53) {
        return 0;
    }
    /* 2^-53 each for the dividend and the quotient, rounded up; the cut. */
    return host / ((uint64_t)1 << 52) + 2;
}

int tcs_perf_guest_data_format(struct tcs_perf_guest_data data,
                               const char *file, int64_t pid, char **ret_text)
{
    char offset[32], scale[64];

    if (strchr(file, ',') || file[0] == '\0' || pid <= 0 || pid > INT32_MAX ||
        !(data.scale > 0)) {
        return -EINVAL;
    }
    /* The shorter of both ways to write it: perf takes either. */
    if (data.offset > INT64_MAX) {
        snprintf(offset, sizeof(offset), "%" PRId64, (int64_t)data.offset);
    } else {
        snprintf(offset, sizeof(offset), "%" PRIu64, data.offset);
    }
    snprintf(scale, sizeof(scale), "%.17g", data.scale);
    return asprintf(ret_text, "%s,%" PRId64 ",%s,%s", file, pid, offset,
                    scale) < 0
               ? -ENOMEM
               : 0;
}
