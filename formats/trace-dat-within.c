/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-within.h.
 */
#include "trace-dat-within.h"

#include <errno.h>
#include <trace-cmd.h>

#include "trace-dat-open.h"

struct question {
    const struct tcs_trace_dat *dat;
    size_t cpu;
    struct tcs_trace_dat_within within;
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

static int walk(struct tracecmd_input *handle, void *data)
{
    struct question *question = data;
    struct tcs_trace_dat_within *within = &question->within;
    const int cpu = (int)question->dat->cpus[question->cpu];
    struct tep_record *record = tracecmd_read_cpu_first(handle, cpu);

    if (!record) {
        return -ENODATA;
    }
    within->first = raw_stamp(question->dat, record->ts);
    while (record) {
        if (record->cpu != cpu) {
            return -EINVAL;
        }
        within->last = raw_stamp(question->dat, record->ts);
        if (within->first > within->to || within->last >= within->from) {
            return within->first <= within->to;
        }
        tracecmd_free_record(record);
        record = tracecmd_read_data(handle, cpu);
    }
    within->is_whole = true;
    return 0;
}

int tcs_trace_dat_within(const char *path, const struct tcs_trace_dat *dat,
                         size_t i, struct tcs_trace_dat_within *within)
{
    struct question question = { dat, i, *within };
    int ret;

    if (dat->has_time_shift) {
        return -ENOTSUP;
    }
    ret = tcs_trace_dat_ask(path, walk, &question, sizeof(question));
    *within = question.within;
    return ret;
}
