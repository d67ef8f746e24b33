/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a CPU has an event in a time, where a file's pages do not say it
 * because they are compressed: read by libtracecmd, which may die of a file or
 * never come back. Knows nothing of clocks' relations.
 */
#ifndef FORMATS_TRACE_DAT_WITHIN_H
#define FORMATS_TRACE_DAT_WITHIN_H

#include "trace-dat.h"

struct tcs_trace_dat_within {
    uint64_t from, to;    /* raw stamps: the time that is asked about */
    uint64_t first, last; /* those of the CPU's events, as far as read */
    bool is_whole;        /* `last` is the last one of all */
    /*
     * 1 where its events begin before the end of that time and end after its
     * beginning, 0 where not, -ENODATA where it has none, -ENOTSUP where
     * readers show other stamps than the raw ones (the file was corrected
     * before), -EINVAL where libtracecmd did not answer. -EAGAIN: is asked.
     */
    int answer;
};

/*
 * Of the file at `path`, whose options are *dat, and each of its CPUs of which
 * it is asked, in within[]; reads no further than to the answer. Where one is
 * 1 the CPUs after it may keep their -EAGAIN.
 */
void tcs_trace_dat_within(const char *path, const struct tcs_trace_dat *dat,
                          struct tcs_trace_dat_within *within);

#endif
