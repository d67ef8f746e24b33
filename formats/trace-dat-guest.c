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
#include "trace-dat.h"

struct question {
    uint64_t guest_trace_id;
    int threads[TCS_TRACE_DAT_CPUS_MAX];
};

static int find(struct tracecmd_input *handle, void *data)
{
    struct question *question = data;
    const char *name;
    const int *threads;
    int n = 0;

    if (tracecmd_get_guest_cpumap(handle, question->guest_trace_id, &name, &n,
                                  &threads) != 0 ||
        n <= 0 || n > TCS_TRACE_DAT_CPUS_MAX || !threads) {
        return -ENOENT;
    }
    memcpy(question->threads, threads, (size_t)n * sizeof(int));
    return n;
}

int tcs_trace_dat_guest_threads(const char *host_path, uint64_t guest_trace_id,
                                int **ret_threads)
{
    struct question question = { .guest_trace_id = guest_trace_id };
    const int n =
        tcs_trace_dat_ask(host_path, find, &question, sizeof(question));

    /* The child's word, and so the file's. */
    if (n <= 0 || n > TCS_TRACE_DAT_CPUS_MAX) {
        return n < 0 ? n : -EINVAL;
    }
    *ret_threads = calloc((size_t)n, sizeof(int));
    if (!*ret_threads) {
        return -ENOMEM;
    }
    memcpy(*ret_threads, question.threads, (size_t)n * sizeof(int));
    return n;
}
