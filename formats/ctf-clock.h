/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock class of CTF 1.8 metadata, and babeltrace2's way to shift a trace's
 * clocks. Knows nothing of VMs.
 */
#ifndef FORMATS_CTF_CLOCK_H
#define FORMATS_CTF_CLOCK_H

#include <stdint.h>

/* ns since 1970 = offset_s * 10^9 + (offset + value) * 10^9 / freq. */
struct tcs_ctf_clock {
    const char *name; /* an identifier of TSDL */
    const char *uuid;
    uint64_t freq;      /* Hz, above 0 */
    uint64_t precision; /* ticks: how far a stamp may be off */
    int64_t offset_s;
    uint64_t offset; /* ticks, below freq */
};

/*
 * A clock that shows `value` at ns_ns, at a whole frequency; fills offset_s and
 * offset, rounded down to a tick. freq: above 0, at most 10^12.
 */
void tcs_ctf_clock_set_offset(struct tcs_ctf_clock *clock, uint64_t value,
                              int64_t at_ns);

/*
 * What babeltrace2 2.0 makes of a value: offset and value each become ns, in
 * double where freq is not 10^9, and are cut. INT64_MAX where that overflows.
 */
int64_t tcs_ctf_clock_ns(const struct tcs_ctf_clock *clock, uint64_t value);

/*
 * How far tcs_ctf_clock_ns() may be from the exact line at values up to
 * `value`.
 */
uint64_t tcs_ctf_clock_rounding(const struct tcs_ctf_clock *clock,
                                uint64_t value);

/*
 * The `clock { ... };` block of TSDL metadata; the caller frees it. NULL
 * without memory.
 */
char *tcs_ctf_clock_block(const struct tcs_ctf_clock *clock);

/*
 * The value of babeltrace2's --params for a src.ctf.fs component that reads
 * `directory` and adds offset_ns to its clocks; the caller frees it. NULL
 * without memory.
 */
char *tcs_ctf_babeltrace_params(const char *directory, int64_t offset_ns);

#endif
