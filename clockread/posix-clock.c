/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock_gettime() between two ordered counter reads; the tightest wins, as
 * in PTP_SYS_OFFSET users: a preempted reading shows itself by its width.
 */
#include "posix-clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "clocksource.h"
#include "counter.h"

#define NS_PER_S 1000000000

const struct tcs_posix_clock tcs_posix_clocks[] = {
    { "mono", CLOCK_MONOTONIC },    { "mono_raw", CLOCK_MONOTONIC_RAW },
    { "boot", CLOCK_BOOTTIME },     { "tai", CLOCK_TAI },
    { "realtime", CLOCK_REALTIME }, { NULL, 0 },
};

const struct tcs_posix_clock *tcs_posix_clock_find(const char *name)
{
    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        if (strcmp(clock->name, name) == 0) {
            return clock;
        }
    }
    return NULL;
}

static int timespec_to_ns(const struct timespec *time, int64_t *ret_ns)
{
    int64_t ns;

    if (time->tv_sec < 0 ||
        __builtin_mul_overflow((int64_t)time->tv_sec, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, time->tv_nsec, &ns)) {
        return -ERANGE;
    }
    *ret_ns = ns;
    return 0;
}

int tcs_posix_clock_resolution(const struct tcs_posix_clock *clock,
                               uint32_t *ret_ns)
{
    struct timespec time = { 0 };
    char clocksource[64];
    uint32_t step_ns;

    if (clock_getres(clock->id, &time) < 0) {
        return -errno;
    }
    if (time.tv_sec != 0) {
        return -ERANGE;
    }
    tcs_clocksource_name(clocksource, sizeof(clocksource));
    step_ns = tcs_clocksource_step_ns(clocksource);
    *ret_ns = time.tv_nsec > step_ns ? (uint32_t)time.tv_nsec : step_ns;
    return 0;
}

int tcs_posix_clock_bracket(const struct tcs_posix_clock *clock,
                            unsigned int samples,
                            struct tcs_clock_sample *ret_sample)
{
    struct tcs_clock_sample best = { 0 };
    struct timespec best_time = { 0 };
    int ret;

    assert(samples > 0);
    for (unsigned int i = 0; i < samples; i++) {
        struct timespec time;
        uint64_t before = tcs_counter_before();
        int failed = clock_gettime(clock->id, &time);
        uint64_t after = tcs_counter_after();

        if (failed < 0) {
            return -errno;
        }
        if (i == 0 ||
            after - before < best.counter_after - best.counter_before) {
            best.counter_before = before;
            best.counter_after = after;
            best_time = time;
        }
    }
    ret = timespec_to_ns(&best_time, &best.value_ns);
    if (ret == 0) {
        *ret_sample = best;
    }
    return ret;
}

int tcs_posix_clock_read(const struct tcs_posix_clock *clock,
                         unsigned int samples,
                         struct tcs_clock_sample *ret_sample)
{
    struct tcs_clock_sample sample;
    int ret = tcs_posix_clock_bracket(clock, samples, &sample);

    if (ret == 0) {
        ret = tcs_posix_clock_resolution(clock, &sample.resolution_ns);
    }
    if (ret == 0) {
        *ret_sample = sample;
    }
    return ret;
}
