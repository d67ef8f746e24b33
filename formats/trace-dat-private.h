/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the format (trace-cmd.dat.v7(5)), shared by reader and writer.
 */
#ifndef FORMATS_TRACE_DAT_PRIVATE_H
#define FORMATS_TRACE_DAT_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

enum tcs_trace_dat_option {
    OPTION_DONE = 0,
    OPTION_DATE = 1,
    OPTION_BUFFER = 3,
    OPTION_OFFSET = 7,
    OPTION_TRACEID = 11,
    OPTION_TIME_SHIFT = 12,
    OPTION_GUEST = 13,
    OPTION_TSC2NSEC = 14,
    OPTION_FIRST_SECTION = 16, /* to 21: where a section is */
    OPTION_LAST_SECTION = 21,
};

enum {
    SECTION_OPTIONS = 0,
    SECTION_FLAG_COMPRESSED = 1,
    SECTION_ID_MAX = 64, /* beyond what any version writes */
    SECTION_HEADER_SIZE = 16,
    OPTION_HEADER_SIZE = 6,
};

/* A number of `n` bytes (at most 8) in the file's byte order. */
static inline uint64_t tcs_trace_dat_get(const uint8_t *bytes, size_t n,
                                         int big_endian)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value = value << 8 | bytes[big_endian ? i : n - 1 - i];
    }
    return value;
}

static inline void tcs_trace_dat_put(uint8_t *bytes, size_t n, int big_endian,
                                     uint64_t value)
{
    for (size_t i = 0; i < n; i++) {
        bytes[big_endian ? n - 1 - i : i] = (uint8_t)(value >> 8 * i);
    }
}

#endif
