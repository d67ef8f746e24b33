/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The perf clock by the kernel's own formula (clockread/perf-page.h), exact
 * and without root, and `global`, which is the same clock. The kernel gives the
 * formula only while its sched_clock is the TSC and stable. Keeps the event
 * open between requests; knows no other source.
 */
#include <errno.h>
#include <unistd.h>

#include "clockread/perf-page.h"
#include "clock-source.h"

/* -1: not tried yet; less: -errno of opening it, minus 1. */
static int event_fd = -1;

/* The event, or -errno of opening it. */
static int get_event(void)
{
    if (event_fd == -1) {
        int fd = tcs_perf_page_open();

        event_fd = fd >= 0 ? fd : fd - 1;
    }
    return event_fd < 0 ? event_fd + 1 : event_fd;
}

static char *explain(int error)
{
    if (event_fd < 0) {
        return g_strdup_printf("perf_event_open: %s; allow it by sysctl "
                               "kernel.perf_event_paranoid=2, or give the "
                               "agent CAP_PERFMON",
                               g_strerror(error));
    }
    return g_strdup(error == EOPNOTSUPP
                        ? "the kernel's perf page has no formula for it, as "
                          "its sched_clock is not the TSC (kvm-clock?)"
                        : "the kernel's perf page cannot be read");
}

static bool prepare_perf(const char *clock)
{
    struct tcs_perf_scale scale;
    int fd = tcs_perf_page_has(clock) ? get_event() : -ENOENT;

    return fd >= 0 && tcs_perf_page_scale(fd, &scale) == 0;
}

static int read_perf(const char *clock, unsigned int samples,
                     struct tga_reading *ret_reading, char **ret_reason)
{
    struct tcs_clock_sample sample;
    int ret;

    if (!tcs_perf_page_has(clock)) {
        return -ENOENT;
    }
    ret = get_event();
    if (ret >= 0) {
        ret = tcs_perf_page_read(ret, &sample);
    }
    if (ret < 0) {
        *ret_reason = explain(-ret);
        return ret;
    }
    tga_reading_take(ret_reading, &sample);
    return 0;
}

static void release_perf(void)
{
    if (event_fd >= 0) {
        close(event_fd);
    }
    event_fd = -1;
}

const struct tga_clock_source tga_source_perf = {
    .via = "perf-page",
    .prepare = prepare_perf,
    .read = read_perf,
    .release = release_perf,
};
