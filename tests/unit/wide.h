/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unsigned 256-bit integers by schoolbook arithmetic on 32-bit limbs: a
 * reference that shares no arithmetic with the code under test.
 */
#ifndef TESTS_UNIT_WIDE_H
#define TESTS_UNIT_WIDE_H

#include <stdint.h>

#define WIDE_LIMBS 8

/* The least significant limb comes first. */
struct wide {
    uint32_t limb[WIDE_LIMBS];
};

static inline struct wide wide_from(uint64_t value)
{
    return (struct wide){ { (uint32_t)value, (uint32_t)(value >> 32) } };
}

static inline uint64_t wide_low(struct wide a)
{
    return (uint64_t)a.limb[1] << 32 | a.limb[0];
}

/* Modulo 2^256, as everything below. */
static inline struct wide wide_add(struct wide a, struct wide b)
{
    struct wide sum;
    uint64_t carry = 0;

    for (int i = 0; i < WIDE_LIMBS; i++) {
        carry += (uint64_t)a.limb[i] + b.limb[i];
        sum.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return sum;
}

static inline struct wide wide_multiply(struct wide a, struct wide b)
{
    struct wide product = { { 0 } };

    for (int i = 0; i < WIDE_LIMBS; i++) {
        uint64_t carry = 0;

        for (int j = 0; i + j < WIDE_LIMBS; j++) {
            carry += (uint64_t)a.limb[i] * b.limb[j] + product.limb[i + j];
            product.limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return product;
}

static inline struct wide wide_shift_right(struct wide a, unsigned int bits)
{
    struct wide result = { { 0 } };
    unsigned int limbs = bits / 32, rest = bits % 32;

    for (unsigned int i = 0; i + limbs < WIDE_LIMBS; i++) {
        uint64_t two = a.limb[i + limbs];

        if (i + limbs + 1 < WIDE_LIMBS) {
            two |= (uint64_t)a.limb[i + limbs + 1] << 32;
        }
        result.limb[i] = (uint32_t)(two >> rest);
    }
    return result;
}

/* The sign of a - b. */
static inline int wide_compare(struct wide a, struct wide b)
{
    for (int i = WIDE_LIMBS - 1; i >= 0; i--) {
        if (a.limb[i] != b.limb[i]) {
            return a.limb[i] > b.limb[i] ? 1 : -1;
        }
    }
    return 0;
}

/* The sign of a / b - c / d; b and d may be 0, then the fraction is above all
 * others. */
static inline int wide_compare_fractions(uint64_t a, uint64_t b, uint64_t c,
                                         uint64_t d)
{
    if (b == 0 || d == 0) {
        return (b == 0) - (d == 0);
    }
    return wide_compare(wide_multiply(wide_from(a), wide_from(d)),
                        wide_multiply(wide_from(c), wide_from(b)));
}

#endif
