/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What our private ftrace instances are called: by the name alone anyone can
 * tell whether the process that made one still lives.
 */
#ifndef CLOCKREAD_MARKER_NAME_H
#define CLOCKREAD_MARKER_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCS_MARKER_NAME_MAX 128

/* A pid is used again; together with the start it is one process for ever. */
struct tcs_marker_owner {
    int64_t pid;
    uint64_t start; /* clock ticks since boot, as /proc/PID/stat has it */
};

/* "trace-clock-sync.PID.START.CLOCK"; -ENAMETOOLONG where it does not fit. */
int tcs_marker_name_format(const struct tcs_marker_owner *owner,
                           const char *clock, char *ret_name, size_t size);

/* Whether `name` is such a name; it may have any CLOCK. */
bool tcs_marker_name_parse(const char *name,
                           struct tcs_marker_owner *ret_owner);

/*
 * The start time out of a line of /proc/PID/stat, whatever the process is
 * called. Returns 0 or -EINVAL.
 */
int tcs_marker_start_parse(const char *stat_line, uint64_t *ret_start);

#endif
