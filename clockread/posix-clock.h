/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * POSIX clocks under ftrace's names, read between two counter reads. Used
 * wherever a reading is taken: in QEMU, in the guest, in the collector.
 */
#ifndef CLOCKREAD_POSIX_CLOCK_H
#define CLOCKREAD_POSIX_CLOCK_H

#include <stdint.h>
#include <time.h>

struct tcs_posix_clock {
    const char *name; /* ftrace's name where it has one */
    clockid_t id;
};

/* All that are known; ends with name == NULL. */
extern const struct tcs_posix_clock tcs_posix_clocks[];

/* By name, or NULL. */
const struct tcs_posix_clock *tcs_posix_clock_find(const char *name);

/* One bracketed reading; counters are this machine's. */
struct tcs_clock_sample {
    uint64_t counter_before;
    int64_t value_ns; /* since the clock's own start; never negative */
    uint64_t counter_after;
    uint32_t resolution_ns; /* at least 1 */
};

#define TCS_CLOCK_SAMPLES_DEFAULT 32

/*
 * How far the clock may advance at once, in ns, at least 1: what the kernel
 * says, and what its current clocksource's frequency makes of it.
 * Returns 0, or -errno of clock_getres().
 */
int tcs_posix_clock_resolution(const struct tcs_posix_clock *clock,
                               uint32_t *ret_ns);

/*
 * Reads `clock` `samples` (at least 1) times and keeps the tightest bracket;
 * resolution_ns is 0. The caller sees to it that the thread stays on CPUs whose
 * counters agree.
 *
 * Returns 0, -errno of clock_gettime(), or -ERANGE where a clock's value is
 * negative or above INT64_MAX ns (year 2262).
 */
int tcs_posix_clock_bracket(const struct tcs_posix_clock *clock,
                            unsigned int samples,
                            struct tcs_clock_sample *ret_sample);

/* Both of the above. Slower, because sysfs is read. */
int tcs_posix_clock_read(const struct tcs_posix_clock *clock,
                         unsigned int samples,
                         struct tcs_clock_sample *ret_sample);

#endif
