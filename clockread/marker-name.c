/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See marker-name.h. Text only, no I/O.
 */
#include "marker-name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "trace-clock-sync."

/* Where the start time is in /proc/PID/stat, counted from the state on. */
#define FIELDS_BEFORE_START 19

int tcs_marker_name_format(const struct tcs_marker_owner *owner,
                           const char *clock, char *ret_name, size_t size)
{
    int len = snprintf(ret_name, size, PREFIX "%" PRId64 ".%" PRIu64 ".%s",
                       owner->pid, owner->start, clock);

    return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : 0;
}

/* Digits up to a dot; false where that is not what *text begins with. */
static bool take_number(const char **text, uint64_t *ret_number)
{
    char *end;

    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    *ret_number = strtoull(*text, &end, 10);
    if (errno != 0 || *end != '.') {
        return false;
    }
    *text = end + 1;
    return true;
}

bool tcs_marker_name_parse(const char *name, struct tcs_marker_owner *ret_owner)
{
    uint64_t pid, start;

    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0) {
        return false;
    }
    name += strlen(PREFIX);
    if (!take_number(&name, &pid) || !take_number(&name, &start) || pid == 0 ||
        pid > INT32_MAX || *name == '\0') {
        return false;
    }
    *ret_owner = (struct tcs_marker_owner){ (int64_t)pid, start };
    return true;
}

int tcs_marker_start_parse(const char *stat_line, uint64_t *ret_start)
{
    /* A process may be called ") R 1 2"; nothing after its name has a ')'. */
    const char *at = strrchr(stat_line, ')');

    if (at == NULL || at[1] != ' ') {
        return -EINVAL;
    }
    at += 2;
    for (int field = 0; field < FIELDS_BEFORE_START; field++) {
        at = strchr(at, ' ');
        if (at == NULL) {
            return -EINVAL;
        }
        at++;
    }
    return sscanf(at, "%" SCNu64, ret_start) == 1 ? 0 : -EINVAL;
}
