/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks that clock_gettime() reads. Refuses the clocks that a time namespace
 * shifts: their values would not be those of the kernel's trace. Knows nothing
 * of the other sources.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clockread/posix-clock.h"
#include "clock-source.h"

/* Whether a time namespace other than the first one is in force. */
static bool in_time_namespace(void)
{
    /* The first namespace's inode is fixed: PROC_TIME_INIT_INO in Linux. */
    static const char first[] = "time:[4026531834]";
    char link[64];
    ssize_t len = readlink("/proc/self/ns/time", link, sizeof(link));

    return len >= 0 && ((size_t)len != strlen(first) ||
                        memcmp(link, first, strlen(first)) != 0);
}

static bool is_shifted(clockid_t id)
{
    switch (id) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        return in_time_namespace();
    default:
        return false;
    }
}

static int read_posix(const char *clock, unsigned int samples,
                      struct tga_reading *ret_reading, char **ret_reason)
{
    const struct tcs_posix_clock *posix = tcs_posix_clock_find(clock);
    struct tcs_clock_sample sample;
    int ret;

    if (posix == NULL) {
        return -ENOENT;
    }
    if (is_shifted(posix->id)) {
        *ret_reason = g_strdup("this process is in a time namespace that "
                               "shifts the clock; run the agent outside it");
        return -EXDEV;
    }
    ret = tcs_posix_clock_read(posix, samples, &sample);
    if (ret < 0) {
        *ret_reason = g_strdup_printf("clock_gettime: %s", g_strerror(-ret));
        return ret;
    }
    tga_reading_take(ret_reading, &sample);
    return 0;
}

const struct tga_clock_source tga_source_posix = {
    .via = "clock_gettime",
    .read = read_posix,
};
