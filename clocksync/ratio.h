/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fraction that many numbers are multiplied by, exactly: by a reciprocal
 * where that decides the result, which is nearly always, else by a division.
 * Pure.
 */
#ifndef CLOCKSYNC_RATIO_H
#define CLOCKSYNC_RATIO_H

#include "span.h"

struct tcs_ratio {
    uint64_t num;
    uint64_t den;
    uint64_t scaled; /* floor(num * 2^shift / den), below 2^63 */
    unsigned int shift;
    bool is_exact; /* nothing was cut off */
};

/* num below 2^62; den from 1 to 2^62. */
struct tcs_ratio tcs_ratio_new(uint64_t num, uint64_t den);

/* x * num / den by a division, rounded down or up. */
tcs_u128 tcs_ratio_divide(const struct tcs_ratio *ratio, uint64_t x, bool up);

/*
 * With the fraction's cut-off part, x * num / den * 2^shift lies in
 * [product, product + x), and only above product if something was cut off and
 * x > 0. So it is decided unless a whole number lies in between.
 */
static inline bool tcs_ratio_is_decided(const struct tcs_ratio *ratio,
                                        uint64_t x, uint64_t rest)
{
    uint64_t whole = (uint64_t)1 << ratio->shift;

    return x <= whole && rest <= whole - x;
}

static inline tcs_u128 tcs_ratio_floor(const struct tcs_ratio *ratio,
                                       uint64_t x)
{
    tcs_u128 product = (tcs_u128)x * ratio->scaled;
    uint64_t rest = (uint64_t)product & (((uint64_t)1 << ratio->shift) - 1);

    if (tcs_ratio_is_decided(ratio, x, rest) || ratio->is_exact) {
        return product >> ratio->shift;
    }
    return tcs_ratio_divide(ratio, x, false);
}

static inline tcs_u128 tcs_ratio_ceil(const struct tcs_ratio *ratio, uint64_t x)
{
    tcs_u128 product = (tcs_u128)x * ratio->scaled;
    uint64_t rest = (uint64_t)product & (((uint64_t)1 << ratio->shift) - 1);

    if (ratio->is_exact) {
        return (product >> ratio->shift) + (rest != 0);
    }
    if (x > 0 && tcs_ratio_is_decided(ratio, x, rest)) {
        return (product >> ratio->shift) + 1;
    }
    return tcs_ratio_divide(ratio, x, true);
}

#endif
