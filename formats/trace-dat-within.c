/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-within.h.
 */
#include "trace-dat-within.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>

#include "trace-dat-open.h"

struct question {
    const struct tcs_trace_dat *dat;
    struct tcs_trace_dat_within within[];
};

/* What the file had before readers made nanoseconds of it, or added to it. */
static uint64_t raw_stamp(const struct tcs_trace_dat *dat, uint64_t shown)
{
    const uint64_t stamp = shown - (uint64_t)dat->ts_offset_ns;
    const unsigned shift = dat->tsc_shift & 63;

    return dat->has_tsc2nsec
               ? (uint64_t)(((unsigned __int128)stamp << shift) / dat->tsc_mult)
               : stamp;
}

static int walk(struct tracecmd_input *handle, const struct tcs_trace_dat *dat,
                int cpu, struct tcs_trace_dat_within *within)
{
    struct tep_record *record = tracecmd_read_cpu_first(handle, cpu);

    if (!record) {
        return -ENODATA;
    }
    within->first = raw_stamp(dat, record->ts);
    while (record) {
        if (record->cpu != cpu) {
            return -EINVAL;
        }
        within->last = raw_stamp(dat, record->ts);
        if (within->first > within->to || within->last >= within->from) {
            return within->first <= within->to;
        }
        tracecmd_free_record(record);
        record = tracecmd_read_data(handle, cpu);
    }
    within->is_whole = true;
    return 0;
}

static int walk_all(struct tracecmd_input *handle, void *data)
{
    struct question *question = data;

    for (size_t i = 0; i < question->dat->n_cpus; i++) {
        struct tcs_trace_dat_within *within = &question->within[i];

        if (within->answer == -EAGAIN) {
            within->answer = walk(handle, question->dat,
                                  (int)question->dat->cpus[i], within);
            if (within->answer == 1) {
                break;
            }
        }
    }
    return 0;
}

static void answer_all(struct tcs_trace_dat_within *within, size_t n,
                       int answer)
{
    for (size_t i = 0; i < n; i++) {
        if (within[i].answer == -EAGAIN) {
            within[i].answer = answer;
        }
    }
}

void tcs_trace_dat_within(const char *path, const struct tcs_trace_dat *dat,
                          struct tcs_trace_dat_within *within)
{
    const size_t size = dat->n_cpus * sizeof(*within);
    struct question *question = malloc(sizeof(*question) + size);
    int ret = -EINVAL;

    if (dat->has_time_shift) {
        ret = -ENOTSUP;
    } else if (question) {
        question->dat = dat;
        memcpy(question->within, within, size);
        ret = tcs_trace_dat_ask(path, walk_all, question,
                                sizeof(*question) + size);
    }
    if (ret < 0) {
        answer_all(within, dat->n_cpus, ret);
    } else {
        memcpy(within, question->within, size);
    }
    free(question);
}
