/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See offset-span.h.
 */
#include "offset-span.h"

void tcs_offset_span_add(struct tcs_offset_span *span, uint64_t first,
                         uint64_t guest, uint64_t last)
{
    int64_t lo = (int64_t)(guest - last);
    int64_t hi = (int64_t)(guest - first);

    span->lo = !span->is_known || lo > span->lo ? lo : span->lo;
    span->hi = !span->is_known || hi < span->hi ? hi : span->hi;
    span->is_known = true;
}

bool tcs_offset_span_to_map(const struct tcs_offset_span *span,
                            uint64_t multiplier, unsigned int shift,
                            struct tcs_counter_map *ret_map)
{
    uint64_t width = (uint64_t)span->hi - (uint64_t)span->lo;

    return span->is_known && span->lo <= span->hi &&
           tcs_counter_map_init(ret_map, multiplier, shift,
                                (int64_t)((uint64_t)span->lo + width / 2),
                                width - width / 2) == 0;
}
