/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marker-clock.h in a build without libtracefs: says so.
 */
#include "marker-clock.h"

#include <errno.h>
#include <stdio.h>

int tcs_marker_open(const struct tcs_marker_clock *clock,
                    struct tcs_marker **ret_marker, char *ret_reason,
                    size_t reason_size)
{
    snprintf(ret_reason, reason_size,
             "this program was built without libtracefs; install its "
             "development files and build it anew");
    return -EOPNOTSUPP;
}

int tcs_marker_read(struct tcs_marker *marker, int cpu, unsigned int samples,
                    struct tcs_clock_sample *ret_sample, char *ret_reason,
                    size_t reason_size)
{
    return tcs_marker_open(NULL, NULL, ret_reason, reason_size);
}

void tcs_marker_close(struct tcs_marker *marker)
{
}
