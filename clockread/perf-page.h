/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own formula for its perf clock, out of the page that a perf
 * event shares with user space. Where the kernel gives one, a counter value
 * becomes a clock value exactly and without asking the kernel again.
 */
#ifndef CLOCKREAD_PERF_PAGE_H
#define CLOCKREAD_PERF_PAGE_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "posix-clock.h"

/* perf clock = zero + ((counter * mult) >> shift), in ns modulo 2^64 */
struct tcs_perf_scale {
    uint64_t zero;
    uint32_t mult;  /* not 0 */
    uint16_t shift; /* below 64 */
    /*
     * Where the counter is narrow (arm64): bits that the kernel leaves out of
     * how far the counter is from `cycles`. Otherwise none, and 0.
     */
    uint64_t cycles, ignored;
    /*
     * By how much the formula may be ahead of the kernel's own integer: 1 ns
     * where the kernel multiplies the distance from a point in time only,
     * and the page splits that into two products, each rounded down.
     */
    uint32_t ahead_ns;
};

/*
 * What the formula gives when the counter is `counter`. The clock without its
 * rounding is at most 1 ns later, and at most ahead_ns earlier.
 */
uint64_t tcs_perf_scale_apply(const struct tcs_perf_scale *scale,
                              uint64_t counter);

/*
 * Takes the formula out of a page while the kernel may be changing it.
 * Returns 0; -EOPNOTSUPP where the kernel gives none; -EAGAIN where the page
 * does not come to rest; -ERANGE where its numbers make no formula.
 */
int tcs_perf_scale_from_page(const volatile struct perf_event_mmap_page *page,
                             struct tcs_perf_scale *ret_scale);

/*
 * An event that measures nothing, for the sake of its page. Some kernels wait
 * milliseconds when the first event of the system is opened, so it may be kept.
 * Returns a file descriptor, or -errno of perf_event_open().
 */
int tcs_perf_page_open(void);

/*
 * The formula in force now: the kernel fills the page when it is mapped, and
 * this maps it anew each time. Returns as tcs_perf_scale_from_page(), or
 * -errno of mmap().
 */
int tcs_perf_page_scale(int fd, struct tcs_perf_scale *ret_scale);

/*
 * Whether the page's formula gives ftrace's clock of that name: `perf`, and
 * `global`, which only adds that it never runs backward between CPUs, and that
 * changes nothing where the CPUs' counters are in step. `local` differs by a
 * constant that the kernel keeps to itself.
 */
bool tcs_perf_page_has(const char *clock);

/*
 * Reads such a clock now. One counter read is both ends of the bracket: the
 * rest is arithmetic. Returns as tcs_perf_page_scale(), or -ERANGE where the
 * value is above INT64_MAX.
 */
int tcs_perf_page_read(int fd, struct tcs_clock_sample *ret_sample);

#endif
