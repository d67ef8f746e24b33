/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-glance.h.
 */
#include "trace-dat-glance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>

#include "trace-dat-open.h"

/* Events of a CPU before it is the next one's turn. */
#define TURN_EVENTS 64

/* libtracecmd decompresses a file whole, and into another, when it opens it. */
#define COMPRESSED_MAX (64u << 20)

struct question {
    const struct tcs_trace_dat *dat;
    tcs_trace_dat_event_fn *fn;
    max_align_t data[];
};

/* Returns 1 where the function ended the walk; *at_end where the CPU has no
 * more events. */
static int take_turn(struct question *question, struct tracecmd_input *handle,
                     int cpu, bool is_first, bool *at_end)
{
    struct tep_record *record = is_first ? tracecmd_read_cpu_first(handle, cpu)
                                         : tracecmd_read_data(handle, cpu);

    for (int n = 0; record; n++) {
        struct tcs_trace_dat_event event;
        int ret;

        if (record->cpu != cpu) {
            return -EINVAL;
        }
        event = tcs_trace_dat_event_of(handle, record);
        ret = question->fn(&event, question->data);
        tracecmd_free_record(record);
        if (ret || n + 1 == TURN_EVENTS) {
            return ret ? 1 : 0;
        }
        record = tracecmd_read_data(handle, cpu);
    }
    *at_end = true;
    return 0;
}

static int walk(struct tracecmd_input *handle, void *data)
{
    struct question *question = data;
    const size_t n = question->dat->n_cpus;
    bool *at_end = calloc(n + 1, sizeof(*at_end));
    bool is_first = true, is_more = at_end != NULL;
    int ret = at_end ? 0 : -EINVAL;

    while (ret == 0 && is_more) {
        is_more = false;
        for (size_t i = 0; i < n && ret == 0; i++) {
            if (!at_end[i]) {
                ret = take_turn(question, handle, (int)question->dat->cpus[i],
                                is_first, &at_end[i]);
                is_more = is_more || !at_end[i];
            }
        }
        is_first = false;
    }
    free(at_end);
    return ret;
}

static bool is_small(const struct tcs_trace_dat *dat)
{
    uint64_t size = 0;

    for (size_t i = 0; i < dat->n_cpus; i++) {
        /* Each lies in the file, which is no larger than a size can be. */
        size += dat->data[i].size;
        if (size > COMPRESSED_MAX) {
            return false;
        }
    }
    return true;
}

int tcs_trace_dat_glance(const char *path, const struct tcs_trace_dat *dat,
                         tcs_trace_dat_event_fn *fn, void *data, size_t size)
{
    const size_t all = sizeof(struct question) + size;
    struct question *question;
    int ret;

    if (dat->is_compressed && !is_small(dat)) {
        return -EFBIG;
    }
    question = malloc(all);
    if (!question) {
        return -EINVAL;
    }
    *question = (struct question){ dat, fn };
    memcpy(question->data, data, size);
    ret = tcs_trace_dat_ask(path, walk, question, all);
    memcpy(data, question->data, size);
    free(question);
    return ret;
}
