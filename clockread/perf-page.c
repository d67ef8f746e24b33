/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf_event_open() of a dummy software event, and the page's sequence lock.
 */
#include "perf-page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counter.h"

/* The kernel holds the lock for some stores only; more is a broken page. */
#define TRIES_MAX 10000

uint64_t tcs_perf_scale_apply(const struct tcs_perf_scale *scale,
                              uint64_t counter)
{
    uint64_t whole =
        scale->cycles + ((counter - scale->cycles) & ~scale->ignored);
    unsigned __int128 product = (unsigned __int128)whole * scale->mult;

    return scale->zero + (uint64_t)(product >> scale->shift);
}

int tcs_perf_scale_from_page(const volatile struct perf_event_mmap_page *page,
                             struct tcs_perf_scale *ret_scale)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct tcs_perf_scale scale = { 0 };
        uint32_t lock = page->lock;
        int offered;

        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        offered = page->cap_user_time && page->cap_user_time_zero;
        scale.zero = page->time_zero;
        scale.mult = page->time_mult;
        scale.shift = page->time_shift;
        if (page->cap_user_time_short) {
            scale.cycles = page->time_cycles;
            scale.ignored = ~page->time_mask;
            scale.ahead_ns = 1;
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (lock % 2 == 1 || page->lock != lock) {
            continue;
        }
        if (!offered) {
            return -EOPNOTSUPP;
        }
        if (scale.mult == 0 || scale.shift >= 64) {
            return -ERANGE;
        }
        *ret_scale = scale;
        return 0;
    }
    return -EAGAIN;
}

static int open_event(pid_t pid, int cpu)
{
    /* exclude_*: what an unprivileged process may ask for. */
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_DUMMY,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    long fd =
        syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

    return fd < 0 ? -errno : (int)fd;
}

int tcs_perf_page_open(void)
{
    /* A CPU's event is opened faster than a task's, but takes privilege. */
    int fd = open_event(-1, 0);

    return fd >= 0 ? fd : open_event(0, -1);
}

int tcs_perf_page_scale(int fd, struct tcs_perf_scale *ret_scale)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    int ret;

    if (page == MAP_FAILED) {
        return -errno;
    }
    ret = tcs_perf_scale_from_page(page, ret_scale);
    munmap(page, size);
    return ret;
}

bool tcs_perf_page_has(const char *clock)
{
    return strcmp(clock, "perf") == 0 || strcmp(clock, "global") == 0;
}

int tcs_perf_page_read(int fd, struct tcs_clock_sample *ret_sample)
{
    struct tcs_perf_scale scale;
    int ret = tcs_perf_page_scale(fd, &scale);
    uint64_t counter = tcs_counter_before();
    uint64_t value;

    if (ret < 0) {
        return ret;
    }
    value = tcs_perf_scale_apply(&scale, counter) - scale.ahead_ns;
    if (value > INT64_MAX) {
        return -ERANGE;
    }
    ret_sample->counter_before = ret_sample->counter_after = counter;
    ret_sample->value_ns = (int64_t)value;
    ret_sample->resolution_ns = 1 + scale.ahead_ns;
    return 0;
}
