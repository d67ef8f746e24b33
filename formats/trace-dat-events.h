/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of a trace.dat as every reader shows them, that is with the file's
 * own correction applied: read by libtracecmd.
 */
#ifndef FORMATS_TRACE_DAT_EVENTS_H
#define FORMATS_TRACE_DAT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct tep_record;
struct tracecmd_input;

struct tcs_trace_dat_event {
    uint64_t ts;
    int cpu;
    int pid;
    const char *system; /* "" where the file does not describe the event */
    const char *name;
    bool lost_before; /* events of this CPU right before it are missing */
};

/* Returns nonzero to end the walk. */
typedef int tcs_trace_dat_event_fn(const struct tcs_trace_dat_event *event,
                                   void *data);

/*
 * All events of the top instance, in the order of their times. The library
 * reads in a process of its own, so a file can cost neither us nor more than a
 * minute between two events. Names last to the end of the call. Returns 0, what
 * the function returned, or -EINVAL where the file cannot be read.
 */
int tcs_trace_dat_each_event(const char *path, tcs_trace_dat_event_fn *fn,
                             void *data);

/* Of a record of libtracecmd's; the names belong to the handle. */
struct tcs_trace_dat_event tcs_trace_dat_event_of(struct tracecmd_input *handle,
                                                  struct tep_record *record);

#endif
