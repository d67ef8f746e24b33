/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ratio.h.
 */
#include "ratio.h"

#include <assert.h>

struct tcs_ratio tcs_ratio_new(uint64_t num, uint64_t den)
{
    const uint64_t limit = (uint64_t)1 << 62;
    struct tcs_ratio ratio = { .num = num, .den = den, .shift = 63 };

    assert(num < limit && den > 0 && den <= limit);
    while (((tcs_u128)num << ratio.shift) / den >= (uint64_t)1 << 63) {
        ratio.shift--;
    }
    ratio.scaled = (uint64_t)(((tcs_u128)num << ratio.shift) / den);
    ratio.is_exact = ((tcs_u128)num << ratio.shift) % den == 0;
    return ratio;
}

tcs_u128 tcs_ratio_divide(const struct tcs_ratio *ratio, uint64_t x, bool up)
{
    tcs_u128 product = (tcs_u128)x * ratio->num;

    return product / ratio->den + (up && product % ratio->den != 0);
}
