/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The perf clock by the kernel's own formula (clockread/perf-page.h), exact
 * and without root. The kernel gives the formula only while its sched_clock is
 * the TSC and stable; then ftrace's `global` is the same clock: what it adds,
 * never to run backward between CPUs, changes nothing where the CPUs' counters
 * are in step. `local` is not: it differs by a constant the kernel keeps to
 * itself. Keeps the event open between requests; knows no other source.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clockread/counter.h"
#include "clockread/perf-page.h"
#include "clock-source.h"

/* -1: not tried yet; less: -errno of opening it, minus 1. */
static int event_fd = -1;

static bool is_perf_clock(const char *clock)
{
    return strcmp(clock, "perf") == 0 || strcmp(clock, "global") == 0;
}

static int get_scale(struct tcs_perf_scale *ret_scale)
{
    if (event_fd == -1) {
        int fd = tcs_perf_page_open();

        event_fd = fd >= 0 ? fd : fd - 1;
    }
    return event_fd < 0 ? event_fd + 1
                        : tcs_perf_page_scale(event_fd, ret_scale);
}

static char *explain(int error)
{
    if (event_fd < 0) {
        return g_strdup_printf("perf_event_open: %s; allow it by sysctl "
                               "kernel.perf_event_paranoid=2 or run as root",
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

    return is_perf_clock(clock) && get_scale(&scale) == 0;
}

static int read_perf(const char *clock, unsigned int samples,
                     struct tga_reading *ret_reading, char **ret_reason)
{
    struct tcs_perf_scale scale;
    int ret;

    if (!is_perf_clock(clock)) {
        return -ENOENT;
    }
    ret = get_scale(&scale);
    if (ret < 0) {
        *ret_reason = explain(-ret);
        return ret;
    }
    /* One read is both ends of the bracket: the rest is arithmetic. */
    ret_reading->counter_before = tcs_counter_before();
    ret_reading->counter_after = ret_reading->counter_before;
    ret_reading->value =
        tcs_perf_scale_apply(&scale, ret_reading->counter_before);
    ret_reading->resolution_ns = 1;
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
