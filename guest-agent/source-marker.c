/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ftrace's own clocks through clockread/marker-clock.h. Keeps the instances
 * between requests, so that all but the first are quick. Leaves alone what
 * clock_gettime() reads; knows no other source.
 */
#include <errno.h>
#include <string.h>

#include "clockread/marker-clock.h"
#include "clock-source.h"

#define REASON_MAX 256

/* What was opened, or why it could not be; by clock, in a row. */
static struct entry {
    const struct tcs_marker_clock *clock;
    struct tcs_marker *marker; /* NULL: failed */
    int error;
    char reason[REASON_MAX];
} entries[TCS_MARKER_CLOCKS_MAX];
static size_t n_entries;

static struct entry *find_entry(const struct tcs_marker_clock *clock)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (entries[i].clock == clock) {
            return &entries[i];
        }
    }
    g_assert(n_entries < G_N_ELEMENTS(entries));
    entries[n_entries] = (struct entry){ .clock = clock };
    return &entries[n_entries++];
}

/* Where it failed in an earlier request, things may have been put right. */
static void open_entry(struct entry *entry)
{
    if (entry->marker == NULL) {
        entry->error = tcs_marker_open(entry->clock, &entry->marker,
                                       entry->reason, sizeof(entry->reason));
    }
}

static const struct tcs_marker_clock *find_clock(const char *name)
{
    return tcs_posix_clock_find(name) != NULL ? NULL
                                              : tcs_marker_clock_find(name);
}

static bool prepare_marker(const char *name)
{
    const struct tcs_marker_clock *clock = find_clock(name);

    if (clock == NULL) {
        return false;
    }
    struct entry *entry = find_entry(clock);

    open_entry(entry);
    return entry->marker != NULL;
}

static int read_marker(const char *name, unsigned int samples,
                       struct tga_reading *ret_reading, char **ret_reason)
{
    const struct tcs_marker_clock *clock = find_clock(name);
    char reason[REASON_MAX];
    struct tcs_clock_sample sample;
    struct entry *entry;
    int ret;

    if (clock == NULL) {
        return -ENOENT;
    }
    entry = find_entry(clock);
    if (entry->error == 0) {
        open_entry(entry);
    }
    if (entry->marker == NULL) {
        *ret_reason = g_strdup(entry->reason);
        return entry->error;
    }
    ret = tcs_marker_read(entry->marker, ret_reading->cpu, samples, &sample,
                          reason, sizeof(reason));
    if (ret < 0) {
        *ret_reason = g_strdup(reason);
        return ret;
    }
    tga_reading_take(ret_reading, &sample);
    ret_reading->unit = clock->kind == TCS_MARKER_COUNT ? "count" : NULL;
    return 0;
}

static void release_markers(void)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (entries[i].marker != NULL) {
            tcs_marker_close(entries[i].marker);
        }
    }
    n_entries = 0;
}

const struct tga_clock_source tga_source_marker = {
    .via = "marker",
    .costly = true,
    .prepare = prepare_marker,
    .read = read_marker,
    .release = release_markers,
};
