/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The offset of a guest counter that can only be read between two host counter
 * reads: each such read leaves an interval for it, and the truth is in all.
 */
#ifndef QEMU_PLUGIN_OFFSET_SPAN_H
#define QEMU_PLUGIN_OFFSET_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "clocksync/counter-map.h"

/* Zeroed at first: nothing is known. In ticks, both ends included. */
struct tcs_offset_span {
    bool is_known;
    int64_t lo, hi;
};

/*
 * guest = scaled host + offset for a scaled host counter in [first, last], in
 * guest ticks and modulo 2^64.
 */
void tcs_offset_span_add(struct tcs_offset_span *span, uint64_t first,
                         uint64_t guest, uint64_t last);

/*
 * The mapping with what is left of the offset, its bound half of that. False
 * where nothing was added, or what was added has no offset in common.
 */
bool tcs_offset_span_to_map(const struct tcs_offset_span *span,
                            uint64_t multiplier, unsigned int shift,
                            struct tcs_counter_map *ret_map);

#endif
