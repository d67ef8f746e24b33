/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Repeatable random numbers for property tests. The seed is random unless the
 * environment sets TCS_TEST_SEED; it is printed when a property test starts
 * and again, with the number of the case, where a property does not hold. One
 * seed repeats the same cases in the same build; another compiler may draw in
 * another order.
 */
#ifndef TESTS_UNIT_SEEDED_H
#define TESTS_UNIT_SEEDED_H

#include <glib.h>
#include <stdint.h>

struct seeded {
    uint64_t seed;
    uint64_t state;
    unsigned int case_number;
};

static inline void seeded_report(const struct seeded *random, const char *when)
{
    g_test_message("%s: case %u, repeat with TCS_TEST_SEED=%" G_GUINT64_FORMAT,
                   when, random->case_number, random->seed);
}

/* What must hold in every case. */
#define PROPERTY(random, expression)                                   \
    do {                                                               \
        if (!(expression)) {                                           \
            seeded_report(random, "failed");                           \
            g_assertion_message_expr(G_LOG_DOMAIN, __FILE__, __LINE__, \
                                     G_STRFUNC, #expression);          \
        }                                                              \
    } while (0)

/* All tests of one run share one seed; each starts its own sequence from it. */
static inline struct seeded seeded_start(void)
{
    static uint64_t seed;
    static gboolean is_chosen;
    const char *wanted = g_getenv("TCS_TEST_SEED");

    if (!is_chosen && wanted) {
        g_autoptr(GError) error = NULL;
        guint64 value;

        if (!g_ascii_string_to_unsigned(wanted, 10, 0, G_MAXUINT64, &value,
                                        &error)) {
            g_error("TCS_TEST_SEED: %s", error->message);
        }
        seed = value;
    } else if (!is_chosen) {
        seed = (uint64_t)g_random_int() << 32 | g_random_int();
    }
    is_chosen = TRUE;

    struct seeded random = { .seed = seed, .state = seed };

    seeded_report(&random, "start");
    return random;
}

/* SplitMix64: every seed is a good one. */
static inline uint64_t seeded_u64(struct seeded *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* From lo to hi, both included. */
static inline uint64_t seeded_range(struct seeded *random, uint64_t lo,
                                    uint64_t hi)
{
    uint64_t count = hi - lo + 1;
    uint64_t draw = seeded_u64(random);

    return count == 0 ? draw : lo + draw % count;
}

static inline int64_t seeded_signed(struct seeded *random, int64_t lo,
                                    int64_t hi)
{
    return (int64_t)((uint64_t)lo +
                     seeded_range(random, 0, (uint64_t)hi - (uint64_t)lo));
}

/* Any number of bits up to `bits` (0 to 64) is equally likely. */
static inline uint64_t seeded_bits(struct seeded *random, unsigned int bits)
{
    unsigned int n = (unsigned int)seeded_range(random, 0, bits);

    return n == 0 ? 0 : seeded_u64(random) >> (64 - n);
}

/* Up to 2^bits - 1 away from `value`, but not past either end. A macro such as
 * MIN() would draw twice. */
static inline uint64_t seeded_before(struct seeded *random, uint64_t value,
                                     unsigned int bits)
{
    uint64_t back = seeded_bits(random, bits);

    return back > value ? 0 : value - back;
}

static inline uint64_t seeded_after(struct seeded *random, uint64_t value,
                                    unsigned int bits)
{
    uint64_t ahead = seeded_bits(random, bits);

    return ahead > UINT64_MAX - value ? UINT64_MAX : value + ahead;
}

/* Where counters break: near 0, 2^32, 2^63 and 2^64; else anything. */
static inline uint64_t seeded_counter(struct seeded *random)
{
    static const uint64_t edges[] = { 0, (uint64_t)1 << 32, (uint64_t)1 << 63 };
    uint64_t pick = seeded_range(random, 0, 5);

    if (pick >= G_N_ELEMENTS(edges)) {
        return seeded_bits(random, 64);
    }
    /* Below 0 is near 2^64. */
    return edges[pick] +
           (uint64_t)seeded_signed(random, -1, 1) * seeded_bits(random, 20);
}

#endif
