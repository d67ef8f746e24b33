/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded: clock_gettime() of a machine whose clocks show something else, so
 * that two programs of this machine can stand for two machines.
 * FAKE_MONO_NS and FAKE_REALTIME_NS in the environment are added.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static long long shift_of(clockid_t id)
{
    const char *text = NULL;

    switch (id) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        text = getenv("FAKE_MONO_NS");
        break;
    case CLOCK_REALTIME:
    case CLOCK_TAI:
        text = getenv("FAKE_REALTIME_NS");
        break;
    }
    return text ? atoll(text) : 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id,
                                                         struct timespec *ts)
{
    const int ret = (int)syscall(SYS_clock_gettime, id, ts);

    if (ret == 0) {
        const long long ns = ts->tv_sec * NS_PER_S + ts->tv_nsec + shift_of(id);

        ts->tv_sec = ns / NS_PER_S;
        ts->tv_nsec = ns % NS_PER_S;
    }
    return ret;
}
