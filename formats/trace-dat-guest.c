/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-guest.h.
 */
#include "trace-dat-guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>

#include "trace-dat-open.h"

int tcs_trace_dat_guest_threads(const char *host_path, uint64_t guest_trace_id,
                                int **ret_threads)
{
    struct tracecmd_input *handle = tcs_trace_dat_open(host_path);
    const char *name;
    const int *threads;
    int n = 0, ret = -ENOENT;

    if (!handle) {
        return -EINVAL;
    }
    if (tracecmd_get_guest_cpumap(handle, guest_trace_id, &name, &n,
                                  &threads) == 0 &&
        n > 0 && threads) {
        *ret_threads = calloc((size_t)n, sizeof(int));
        if (*ret_threads) {
            memcpy(*ret_threads, threads, (size_t)n * sizeof(int));
        }
        ret = *ret_threads ? n : -ENOMEM;
    }
    tracecmd_close(handle);
    return ret;
}
