/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `perf inject --guest-data=FILE,PID,OFFSET,SCALE`: the argument, and what perf
 * makes of a guest's stamp with it. Knows nothing of VMs.
 */
#ifndef FORMATS_PERF_GUEST_DATA_H
#define FORMATS_PERF_GUEST_DATA_H

#include <stdint.h>

/*
 * host = (guest - offset) / scale: the signs of KVM's own TSC offset and ratio.
 * Both stamps are ticks where perf.data tells how to convert its times to ticks
 * (perf's own clock, made of a trusted TSC), else as they are in the file.
 */
struct tcs_perf_guest_data {
    uint64_t offset; /* modulo 2^64 */
    double scale;    /* above 0 */
};

/*
 * In perf's arithmetic (tools/perf/builtin-inject.c, Linux 6.0 on): the
 * difference in 64 bits, the quotient in double, cut to an integer; the largest
 * 64-bit value where it does not fit.
 */
uint64_t tcs_perf_guest_data_apply(struct tcs_perf_guest_data data,
                                   uint64_t guest);

/*
 * How far tcs_perf_guest_data_apply() may be from the exact quotient where that
 * is up to `host`: what double rounds, and the cut.
 */
uint64_t tcs_perf_guest_data_rounding(struct tcs_perf_guest_data data,
                                      uint64_t host);

/*
 * "FILE,PID,OFFSET,SCALE", with which perf reads back the very same numbers;
 * the caller frees it. Returns 0; -EINVAL where the file's name has a comma,
 * which perf would take for its end, or a number is out of range; -ENOMEM.
 */
int tcs_perf_guest_data_format(struct tcs_perf_guest_data data,
                               const char *file, int64_t pid, char **ret_text);

#endif
