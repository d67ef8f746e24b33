/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a hypervisor derives a vCPU's counter from the host's, and the exact
 * inverse. Pure 128-bit integer arithmetic.
 *
 * Forward (KVM: kvm_scale_tsc() and the VMCS/VMCB offset field):
 *     guest = ((host * multiplier) >> shift) + offset      modulo 2^64
 * shift is 32 on AMD SVM and 48 on Intel VMX; unscaled means
 * multiplier == 1 << shift.
 */
#ifndef CLOCKSYNC_COUNTER_MAP_H
#define CLOCKSYNC_COUNTER_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "span.h"
#include "ticks.h"

#define TCS_COUNTER_MAP_SHIFT_MAX 62

struct tcs_counter_map {
    uint64_t multiplier;
    unsigned int shift;
    int64_t offset;
    /*
     * 0 where the hypervisor told the offset exactly; else the true offset is
     * within offset +- offset_bound ticks (modulo 2^64).
     */
    uint64_t offset_bound;
};

/*
 * Fills *ret_map after checking the range of the arguments.
 *
 * multiplier: not 0; the ratio multiplier / 2^shift is at most 2^32.
 * shift: 0 to TCS_COUNTER_MAP_SHIFT_MAX.
 * offset_bound: below 2^62.
 * Returns 0 or -EINVAL.
 */
int tcs_counter_map_init(struct tcs_counter_map *ret_map, uint64_t multiplier,
                         unsigned int shift, int64_t offset,
                         uint64_t offset_bound);

/*
 * Whether two may be one and the same mapping, as far as they are known: with
 * equal ratios, and an offset that is within both their bounds.
 */
bool tcs_counter_map_may_be_same(const struct tcs_counter_map *a,
                                 const struct tcs_counter_map *b);

/* The guest's counter at a host counter value; exact up to offset_bound. */
static inline struct tcs_guest_ticks
tcs_counter_map_to_guest(const struct tcs_counter_map *map,
                         struct tcs_host_ticks host)
{
    uint64_t scaled =
        (uint64_t)(((tcs_u128)host.ticks * map->multiplier) >> map->shift);

    return (struct tcs_guest_ticks){ scaled + (uint64_t)map->offset };
}

/*
 * Every host counter value at which the guest's counter may have shown a value
 * from `first` to `last` (last - first < 2^63 modulo 2^64; the two may be
 * equal). Where the scaled product passes 2^64 several such intervals exist;
 * the one nearest to `near` is meant (any host counter of about that time).
 * Ends are clipped to 0 and 2^64 - 1.
 *
 * Returns 0; -EINVAL where the guest's counter runs backward; -ERANGE where no
 * host counter maps there.
 */
int tcs_counter_map_to_host(const struct tcs_counter_map *map,
                            struct tcs_guest_ticks first,
                            struct tcs_guest_ticks last,
                            struct tcs_host_ticks near,
                            struct tcs_host_span *ret_host);

/* Guest ticks per host tick, for display only. */
double tcs_counter_map_rate(const struct tcs_counter_map *map);

#endif
