/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-events.h.
 */
#include "trace-dat-events.h"

#include <errno.h>
#include <event-parse.h>
#include <trace-cmd.h>

#include "trace-dat-open.h"

struct walk {
    tcs_trace_dat_event_fn *fn;
    void *data;
    int ret;
};

struct tcs_trace_dat_event tcs_trace_dat_event_of(struct tracecmd_input *handle,
                                                  struct tep_record *record)
{
    struct tep_handle *tep = tracecmd_get_tep(handle);
    struct tep_event *event = tep_find_event_by_record(tep, record);

    return (struct tcs_trace_dat_event){
        .ts = record->ts,
        .cpu = record->cpu,
        .pid = tep_data_pid(tep, record),
        .system = event ? event->system : "",
        .name = event ? event->name : "",
        .lost_before = record->missed_events != 0,
    };
}

static int on_record(struct tracecmd_input *handle, struct tep_record *record,
                     int cpu, void *data)
{
    struct walk *walk = data;
    const struct tcs_trace_dat_event found =
        tcs_trace_dat_event_of(handle, record);

    walk->ret = walk->fn(&found, walk->data);
    return walk->ret;
}

int tcs_trace_dat_each_event(const char *path, tcs_trace_dat_event_fn *fn,
                             void *data)
{
    struct walk walk = { fn, data, 0 };
    struct tracecmd_input *handle = tcs_trace_dat_open(path);
    int ret;

    if (!handle) {
        return -EINVAL;
    }
    ret = tracecmd_iterate_events(handle, NULL, 0, on_record, &walk);
    tracecmd_close(handle);
    return walk.ret ? walk.ret : ret < 0 ? -EINVAL : 0;
}
