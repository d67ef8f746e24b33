/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counter map's exact inverse. See counter-map.h for the formula.
 */
#include "counter-map.h"

#include <errno.h>

#define TWO_TO_64 ((tcs_i128)1 << 64)

int tcs_counter_map_init(struct tcs_counter_map *ret_map, uint64_t multiplier,
                         unsigned int shift, int64_t offset,
                         uint64_t offset_bound)
{
    if (multiplier == 0 || shift > TCS_COUNTER_MAP_SHIFT_MAX ||
        offset_bound >= (uint64_t)1 << 62) {
        return -EINVAL;
    }
    /*
     * A ratio of at most 2^32 keeps scaled values below 2^96. Real hardware
     * stays below 2^16 (VMX) and 2^8 (SVM).
     */
    if (shift < 32 && multiplier > (uint64_t)1 << (32 + shift)) {
        return -EINVAL;
    }
    *ret_map = (struct tcs_counter_map){
        .multiplier = multiplier,
        .shift = shift,
        .offset = offset,
        .offset_bound = offset_bound,
    };
    return 0;
}

/* The smallest host counter whose scaled value is at least `scaled`. */
static uint64_t first_host_at(const struct tcs_counter_map *map,
                              tcs_u128 scaled)
{
    if (scaled == 0) {
        return 0;
    }
    /*
     * ceil(a / m) == floor((a - 1) / m) + 1 for a > 0. scaled is at most
     * (2^64 - 1) * multiplier >> shift, so the left shift loses nothing.
     */
    tcs_u128 numerator = (scaled << map->shift) - 1;

    return (uint64_t)(numerator / map->multiplier) + 1;
}

int tcs_counter_map_to_host(const struct tcs_counter_map *map,
                            struct tcs_guest_ticks first,
                            struct tcs_guest_ticks last,
                            struct tcs_host_ticks near,
                            struct tcs_host_span *ret_host)
{
    uint64_t width = last.ticks - first.ticks;

    if (width > INT64_MAX) {
        return -EINVAL;
    }

    /* Scaled values are below 2^96 (see init), so signed 128 bits are ample. */
    tcs_i128 scaled_max =
        (tcs_i128)(((tcs_u128)UINT64_MAX * map->multiplier) >> map->shift);
    tcs_i128 scaled_near =
        (tcs_i128)(((tcs_u128)near.ticks * map->multiplier) >> map->shift);
    uint64_t residue = first.ticks + width / 2 - (uint64_t)map->offset;

    /*
     * Of the values congruent to residue (the middle of the two) modulo 2^64
     * take the one nearest to scaled_near, reached by a signed step; one turn
     * further where that one lies outside what a host counter can produce.
     */
    tcs_i128 lo = scaled_near + (int64_t)(residue - (uint64_t)scaled_near) -
                  (tcs_i128)(width / 2) - (tcs_i128)map->offset_bound;
    tcs_i128 hi = lo + width + 2 * (tcs_i128)map->offset_bound;

    if (hi < 0) {
        lo += TWO_TO_64;
        hi += TWO_TO_64;
    } else if (lo > scaled_max) {
        lo -= TWO_TO_64;
        hi -= TWO_TO_64;
    }
    if (hi < 0 || lo > scaled_max) {
        return -ERANGE;
    }

    struct tcs_host_span host = {
        .lo = { lo <= 0 ? 0 : first_host_at(map, (tcs_u128)lo) },
        .hi = { UINT64_MAX },
    };

    if (hi < scaled_max) {
        host.hi.ticks = first_host_at(map, (tcs_u128)hi + 1) - 1;
    }
    /* With a ratio above 1 the guest's counter skips some values. */
    if (host.lo.ticks > host.hi.ticks) {
        return -ERANGE;
    }
    *ret_host = host;
    return 0;
}

bool tcs_counter_map_may_be_same(const struct tcs_counter_map *a,
                                 const struct tcs_counter_map *b)
{
    uint64_t apart = (uint64_t)a->offset - (uint64_t)b->offset;
    uint64_t distance = apart > INT64_MAX ? -apart : apart;

    return a->multiplier == b->multiplier && a->shift == b->shift &&
           distance <= a->offset_bound + b->offset_bound;
}

double tcs_counter_map_rate(const struct tcs_counter_map *map)
{
    return (double)map->multiplier / (double)((uint64_t)1 << map->shift);
}
