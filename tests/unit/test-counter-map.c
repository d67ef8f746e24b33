/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counter map against 256-bit arithmetic, and its inverse against brute
 * force and against what defines it: these host counters and no others.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/counter-map.h"
#include "seeded.h"
#include "wide.h"

#define FORWARD_CASES 20000
#define INVERSE_CASES 10000
#define BRUTE_CASES   3000

/* KVM's ratio for a 1 GHz guest on a 2096005 kHz host. */
#define REAL_MULTIPLIER 2049120730
#define REAL_SHIFT      32

static struct tcs_host_ticks host_at(uint64_t ticks)
{
    return (struct tcs_host_ticks){ ticks };
}

static struct tcs_guest_ticks guest_at(uint64_t ticks)
{
    return (struct tcs_guest_ticks){ ticks };
}

static struct tcs_counter_map make(uint64_t multiplier, unsigned int shift,
                                   int64_t offset, uint64_t bound)
{
    struct tcs_counter_map map;

    g_assert_cmpint(
        tcs_counter_map_init(&map, multiplier, shift, offset, bound), ==, 0);
    return map;
}

/* (host * multiplier) >> shift, not wrapped. */
static struct wide scaled_at(const struct tcs_counter_map *map, uint64_t host)
{
    return wide_shift_right(
        wide_multiply(wide_from(host), wide_from(map->multiplier)), map->shift);
}

static uint64_t reference_guest(const struct tcs_counter_map *map,
                                uint64_t host)
{
    return wide_low(
        wide_add(scaled_at(map, host), wide_from((uint64_t)map->offset)));
}

/* Whether the guest may show a value from first to last at `host`. */
static bool may_show(const struct tcs_counter_map *map, uint64_t host,
                     uint64_t first, uint64_t last)
{
    uint64_t above_least =
        reference_guest(map, host) - (first - map->offset_bound);

    return above_least <= last - first + 2 * map->offset_bound;
}

static struct tcs_counter_map random_map(struct seeded *random)
{
    unsigned int shift = (unsigned int)seeded_range(random, 0, 62);
    uint64_t multiplier;
    int64_t offset;

    switch (seeded_range(random, 0, 3)) {
    case 0:
        shift = 32;
        break;
    case 1:
        shift = 48;
        break;
    }
    uint64_t unity = (uint64_t)1 << shift;

    switch (seeded_range(random, 0, 4)) {
    case 0:
        multiplier = unity;
        break;
    case 1:
        /* A few hundred ppm from unity. */
        multiplier =
            unity - (unity >> 11) + seeded_range(random, 0, 2 * (unity >> 11));
        break;
    case 2:
        shift = REAL_SHIFT;
        multiplier = REAL_MULTIPLIER;
        break;
    default:
        /* Anything that init accepts, far from 1 too. */
        multiplier = seeded_bits(random, MIN(shift + 32, 64));
        break;
    }
    if (seeded_range(random, 0, 1)) {
        offset = (int64_t)seeded_counter(random);
    } else {
        /* As when a guest starts with its counter near 0. */
        offset = -(int64_t)seeded_bits(random, 62);
    }
    return make(MAX(multiplier, 1), shift, offset, 0);
}

static void test_init(void)
{
    const uint64_t one = 1;
    struct tcs_counter_map map;

    g_assert_cmpint(tcs_counter_map_init(&map, 0, 32, 0, 0), ==, -EINVAL);
    g_assert_cmpint(tcs_counter_map_init(&map, 1, 63, 0, 0), ==, -EINVAL);
    g_assert_cmpint(tcs_counter_map_init(&map, 1, 62, 0, 0), ==, 0);
    g_assert_cmpint(tcs_counter_map_init(&map, 1, 0, 0, one << 62), ==,
                    -EINVAL);
    g_assert_cmpint(tcs_counter_map_init(&map, 1, 0, 0, (one << 62) - 1), ==,
                    0);
    g_assert_cmpint(tcs_counter_map_init(&map, (one << 32) + 1, 0, 0, 0), ==,
                    -EINVAL);
    g_assert_cmpint(tcs_counter_map_init(&map, one << 32, 0, 0, 0), ==, 0);
    g_assert_cmpint(tcs_counter_map_init(&map, (one << 33) + 1, 1, 0, 0), ==,
                    -EINVAL);
    g_assert_cmpint(tcs_counter_map_init(&map, UINT64_MAX, 32, 0, 0), ==, 0);
    g_assert_cmpint(tcs_counter_map_init(&map, UINT64_MAX, 20, 0, 0), ==,
                    -EINVAL);
    g_assert_cmpuint(map.multiplier, ==, UINT64_MAX);
    g_assert_cmpuint(map.shift, ==, 32);
}

static void test_forward_examples(void)
{
    static const struct {
        uint64_t multiplier;
        unsigned int shift;
        int64_t offset;
        uint64_t host, guest;
    } rows[] = {
        { (uint64_t)1 << 32, 32, 0, UINT64_MAX, UINT64_MAX },
        { (uint64_t)1 << 48, 48, -1000, 1000, 0 },
        { (uint64_t)1 << 48, 48, -1000, 999, UINT64_MAX },
        { (uint64_t)1 << 48, 48, 1, UINT64_MAX, 0 },
        { (uint64_t)1 << 48, 48, INT64_MIN, (uint64_t)1 << 63, 0 },
        { REAL_MULTIPLIER, 32, 0, 2, 0 },
        { REAL_MULTIPLIER, 32, 0, (uint64_t)1 << 32, REAL_MULTIPLIER },
        { REAL_MULTIPLIER, 32, 0, (uint64_t)1 << 63, 4400453260452823040u },
        { REAL_MULTIPLIER, 32, 0, UINT64_MAX, 8800906520905646079u },
        { REAL_MULTIPLIER, 32, -58900999283518, 123456789012345, 0 },
        { (uint64_t)REAL_MULTIPLIER << 16, 48, 5, 987654321987654321u,
          471207998986122499u },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct tcs_counter_map map =
            make(rows[i].multiplier, rows[i].shift, rows[i].offset, 0);

        g_assert_cmpuint(
            tcs_counter_map_to_guest(&map, host_at(rows[i].host)).ticks, ==,
            rows[i].guest);
    }
}

static void test_forward(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < FORWARD_CASES; random.case_number++) {
        struct tcs_counter_map map = random_map(&random);
        uint64_t host = seeded_counter(&random);

        PROPERTY(&random, tcs_counter_map_to_guest(&map, host_at(host)).ticks ==
                              reference_guest(&map, host));
    }
}

static void assert_host(const struct tcs_counter_map *map, uint64_t first,
                        uint64_t last, uint64_t near, uint64_t lo, uint64_t hi)
{
    struct tcs_host_span host;

    g_assert_cmpint(tcs_counter_map_to_host(map, guest_at(first),
                                            guest_at(last), host_at(near),
                                            &host),
                    ==, 0);
    g_assert_cmpuint(host.lo.ticks, ==, lo);
    g_assert_cmpuint(host.hi.ticks, ==, hi);
}

static void assert_refused(const struct tcs_counter_map *map, uint64_t first,
                           uint64_t last, uint64_t near, int error)
{
    struct tcs_host_span host = { { 1 }, { 2 } };

    g_assert_cmpint(tcs_counter_map_to_host(map, guest_at(first),
                                            guest_at(last), host_at(near),
                                            &host),
                    ==, error);
    g_assert_cmpuint(host.lo.ticks, ==, 1);
    g_assert_cmpuint(host.hi.ticks, ==, 2);
}

static void test_inverse_unscaled(void)
{
    struct tcs_counter_map map = make((uint64_t)1 << 48, 48, -1000, 0);

    assert_host(&map, 0, 0, 1000, 1000, 1000);
    assert_host(&map, 7, 9, 1000, 1007, 1009);
    /* The guest's counter wraps between the two. */
    assert_host(&map, UINT64_MAX, 1, 1000, 999, 1001);
    assert_host(&map, UINT64_MAX - 999, 0, 0, 0, 1000);
    /* Host counters end at 0 and at 2^64 - 1. */
    assert_host(&map, UINT64_MAX - 1002, UINT64_MAX - 998, 0, 0, 1);
    assert_host(&map, UINT64_MAX - 1001, UINT64_MAX - 998, UINT64_MAX,
                UINT64_MAX - 1, UINT64_MAX);
    map.offset_bound = 10;
    assert_host(&map, 0, 0, 1000, 990, 1010);
    assert_host(&map, UINT64_MAX - 999, UINT64_MAX - 999, 0, 0, 10);
    assert_refused(&map, 1, 0, 1000, -EINVAL);
}

static void test_inverse_slow_guest(void)
{
    /* One guest tick in four host ticks, so it never gets past 2^62. */
    struct tcs_counter_map map = make(1, 2, 0, 0);

    assert_host(&map, 0, 0, 0, 0, 3);
    assert_host(&map, 5, 6, 0, 20, 27);
    assert_host(&map, UINT64_MAX >> 2, UINT64_MAX >> 2, 0, UINT64_MAX - 3,
                UINT64_MAX);
    assert_refused(&map, (UINT64_MAX >> 2) + 1, (UINT64_MAX >> 2) + 9, 0,
                   -ERANGE);
    assert_refused(&map, UINT64_MAX - 9, UINT64_MAX, UINT64_MAX, -ERANGE);
    assert_host(&map, UINT64_MAX - 9, 1, 0, 0, 7);
}

static void test_inverse_fast_guest(void)
{
    /* Three guest ticks a host tick: two of three values are never shown. */
    struct tcs_counter_map map = make((uint64_t)3 << 32, 32, 10, 0);
    uint64_t turn = 6148914691236517206; /* (2^64 + 2) / 3 */

    assert_host(&map, 10, 10, 0, 0, 0);
    assert_refused(&map, 11, 12, 0, -ERANGE);
    assert_host(&map, 11, 13, 0, 1, 1);
    assert_host(&map, 12, 19, 0, 1, 3);
    /* Later turns of the guest's counter, picked by `near`. */
    assert_host(&map, 12, 12, turn + 5, turn, turn);
    assert_refused(&map, 12, 12, 5, -ERANGE);
    assert_host(&map, 14, 14, 2 * turn, 2 * turn, 2 * turn);
    /* The nearest turn, however long the stretch of guest values. */
    assert_host(&map, 10, 10 + (uint64_t)INT64_MAX, (uint64_t)INT64_MAX / 3 + 2,
                0, (uint64_t)INT64_MAX / 3);
    map.offset_bound = 1;
    assert_host(&map, 11, 11, 0, 0, 0);
    assert_host(&map, 12, 12, 0, 1, 1);
}

/*
 * Every host counter of a window, tried one by one. The guest values asked for
 * lie around what the window shows, so no other turn can be meant.
 */
static void test_inverse_brute_force(void)
{
    enum { WINDOW = 200 };
    static const uint64_t bases[] = {
        0,
        ((uint64_t)1 << 32) - 100,
        ((uint64_t)1 << 63) - 100,
        UINT64_MAX - (WINDOW - 1),
    };
    struct seeded random = seeded_start();
    unsigned int found = 0, empty = 0;

    for (; random.case_number < BRUTE_CASES; random.case_number++) {
        uint64_t base =
            bases[seeded_range(&random, 0, G_N_ELEMENTS(bases) - 1)];
        unsigned int shift = (unsigned int)seeded_range(&random, 0, 8);
        /* Mostly near 1, so that plateaus and gaps both occur. */
        uint64_t multiplier = seeded_range(&random, 0, 3)
                                  ? seeded_range(&random, 1, 4u << shift)
                                  : seeded_bits(&random, shift + 32);
        struct tcs_counter_map map =
            make(MAX(multiplier, 1), shift, (int64_t)seeded_counter(&random),
                 seeded_range(&random, 0, 1) * seeded_bits(&random, 6));
        uint64_t middle = base + seeded_range(&random, 0, WINDOW - 1);
        uint64_t first = reference_guest(&map, middle) +
                         (uint64_t)seeded_signed(&random, -4, 4);
        uint64_t last = first + seeded_bits(&random, 7);
        uint64_t near = base + seeded_range(&random, 0, WINDOW - 1);
        struct tcs_host_span host;
        int ret = tcs_counter_map_to_host(&map, guest_at(first), guest_at(last),
                                          host_at(near), &host);
        bool is_empty = true;

        PROPERTY(&random, ret == 0 || ret == -ERANGE);
        PROPERTY(&random, ret < 0 || host.lo.ticks <= host.hi.ticks);
        for (uint64_t i = 0; i < WINDOW; i++) {
            bool is_inside = ret == 0 && base + i >= host.lo.ticks &&
                             base + i <= host.hi.ticks;

            PROPERTY(&random,
                     is_inside == may_show(&map, base + i, first, last));
            is_empty &= !is_inside;
        }
        found += !is_empty;
        empty += is_empty;
    }
    /* Both kinds must have been tried. */
    g_assert_cmpuint(found, >, BRUTE_CASES / 4);
    g_assert_cmpuint(empty, >, BRUTE_CASES / 100);
}

/* The distance of two scaled values, if it is below 2^bits. */
static bool is_close(struct wide a, struct wide b, unsigned int bits)
{
    struct wide limit = wide_from((uint64_t)1 << bits);

    return wide_compare(a, wide_add(b, limit)) < 0 &&
           wide_compare(b, wide_add(a, limit)) < 0;
}

/*
 * A guest reading around the moment `truth`: its span of host counters is the
 * one that the definition gives, to the tick, at both ends.
 */
static void test_inverse(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < INVERSE_CASES; random.case_number++) {
        struct tcs_counter_map map = random_map(&random);
        /* Often at the last host counters, where spans are clipped. */
        uint64_t truth = seeded_range(&random, 0, 3)
                             ? seeded_counter(&random)
                             : UINT64_MAX - seeded_bits(&random, 4);
        uint64_t guest = reference_guest(&map, truth);
        uint64_t back = seeded_bits(&random, 62) >> 1;
        uint64_t ahead = seeded_bits(&random, 62);
        struct wide at_truth = scaled_at(&map, truth);
        uint64_t near = truth + (uint64_t)seeded_signed(&random, -1, 1) *
                                    seeded_bits(&random, 62);

        if (seeded_range(&random, 0, 2) == 0) {
            back = ahead = 0;
        }
        if (seeded_range(&random, 0, 1)) {
            map.offset_bound = seeded_bits(&random, 62);
        }
        if (!is_close(scaled_at(&map, near), at_truth, 61)) {
            near = truth;
        }

        struct tcs_host_span host;
        uint64_t first = guest - back, last = guest + ahead;
        int ret = tcs_counter_map_to_host(&map, guest_at(first), guest_at(last),
                                          host_at(near), &host);

        PROPERTY(&random, ret == 0);
        PROPERTY(&random, host.lo.ticks <= truth && truth <= host.hi.ticks);

        /* Scaled values from at_truth - below to at_truth + above. */
        struct wide below =
            wide_add(wide_from(back), wide_from(map.offset_bound));
        struct wide top = wide_add(
            at_truth, wide_add(wide_from(ahead), wide_from(map.offset_bound)));

        PROPERTY(&random,
                 wide_compare(wide_add(scaled_at(&map, host.lo.ticks), below),
                              at_truth) >= 0);
        PROPERTY(&random,
                 wide_compare(scaled_at(&map, host.hi.ticks), top) <= 0);
        if (host.lo.ticks > 0) {
            uint64_t outside = host.lo.ticks - 1;

            PROPERTY(&random,
                     wide_compare(wide_add(scaled_at(&map, outside), below),
                                  at_truth) < 0);
        }
        if (host.hi.ticks < UINT64_MAX) {
            uint64_t outside = host.hi.ticks + 1;

            PROPERTY(&random, wide_compare(scaled_at(&map, outside), top) > 0);
        }
        for (int i = 0; i < 4; i++) {
            uint64_t inside =
                seeded_range(&random, host.lo.ticks, host.hi.ticks);

            PROPERTY(&random, may_show(&map, inside, first, last));
        }
    }
}

/* A value that a fast guest's counter jumps over is refused. */
static void test_inverse_skipped(void)
{
    struct seeded random = seeded_start();
    unsigned int skipped = 0;

    for (; random.case_number < INVERSE_CASES; random.case_number++) {
        struct tcs_counter_map map = random_map(&random);
        uint64_t host = seeded_counter(&random) % UINT64_MAX;
        uint64_t first = reference_guest(&map, host) + 1;
        uint64_t next = reference_guest(&map, host + 1);
        struct tcs_host_span span;

        /* The step is not above the ratio's limit of 2^32, rounded up. */
        if (next - first == 0 || next - first > (uint64_t)1 << 32) {
            continue;
        }
        skipped++;
        PROPERTY(&random, tcs_counter_map_to_host(
                              &map, guest_at(first), guest_at(next - 1),
                              host_at(host), &span) == -ERANGE);
        map.offset_bound = 1;
        PROPERTY(&random, tcs_counter_map_to_host(&map, guest_at(first),
                                                  guest_at(next - 1),
                                                  host_at(host), &span) == 0);
        PROPERTY(&random, span.lo.ticks <= host && span.hi.ticks >= host + 1);
    }
    g_assert_cmpuint(skipped, >, INVERSE_CASES / 20);
}

/* A slow guest's counter never shows what lies past the host's last value. */
static void test_inverse_never_reached(void)
{
    struct seeded random = seeded_start();
    unsigned int unreached = 0;

    for (; random.case_number < INVERSE_CASES; random.case_number++) {
        struct tcs_counter_map map = random_map(&random);
        struct wide last_scaled = scaled_at(&map, UINT64_MAX);
        uint64_t host = seeded_counter(&random);
        struct tcs_host_span span;

        if (wide_compare(last_scaled, wide_from(UINT64_MAX)) >= 0) {
            continue;
        }
        unreached++;
        uint64_t scaled =
            seeded_range(&random, wide_low(last_scaled) + 1, UINT64_MAX);
        uint64_t first = scaled + (uint64_t)map.offset;
        /* Not as far as where the counter would start again. */
        uint64_t width = seeded_range(
            &random, 0, MIN((uint64_t)INT64_MAX, UINT64_MAX - scaled));

        PROPERTY(&random, tcs_counter_map_to_host(
                              &map, guest_at(first), guest_at(first + width),
                              host_at(host), &span) == -ERANGE);
    }
    g_assert_cmpuint(unreached, >, INVERSE_CASES / 20);
}

static void test_inverse_backward(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < INVERSE_CASES; random.case_number++) {
        struct tcs_counter_map map = random_map(&random);
        uint64_t host = seeded_counter(&random);
        uint64_t first = reference_guest(&map, host);
        uint64_t back = 1 + seeded_bits(&random, 63);
        struct tcs_host_span span;

        PROPERTY(&random, tcs_counter_map_to_host(
                              &map, guest_at(first), guest_at(first - back),
                              host_at(host), &span) == -EINVAL);
    }
}

static void test_rate(void)
{
    struct tcs_counter_map map = make((uint64_t)3 << 47, 48, 5, 0);

    g_assert_cmpfloat(tcs_counter_map_rate(&map), ==, 1.5);
    map = make(1, 62, 5, 0);
    g_assert_cmpfloat(tcs_counter_map_rate(&map), ==, 0x1p-62);
}

/* Either way round, and where the difference of offsets wraps. */
static void check_same(struct tcs_counter_map a, struct tcs_counter_map b,
                       bool expected)
{
    g_assert_cmpint(tcs_counter_map_may_be_same(&a, &b), ==, expected);
    g_assert_cmpint(tcs_counter_map_may_be_same(&b, &a), ==, expected);
}

static void test_may_be_same(void)
{
    struct tcs_counter_map exact = make(3, 1, -5, 0);

    check_same(exact, exact, true);
    check_same(exact, make(3, 1, -4, 0), false);
    check_same(exact, make(3, 1, -4, 1), true);
    check_same(make(3, 1, -9, 2), make(3, 1, -4, 3), true);
    check_same(make(3, 1, -10, 2), make(3, 1, -4, 3), false);
    check_same(exact, make(6, 2, -5, 9), false);
    check_same(exact, make(4, 1, -5, 9), false);
    check_same(make(3, 1, INT64_MAX, 1), make(3, 1, INT64_MIN, 0), true);
    check_same(make(3, 1, INT64_MAX, 0), make(3, 1, INT64_MIN, 0), false);
    check_same(make(3, 1, INT64_MAX, 9), make(3, 1, -1, 9), false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counter-map/init", test_init);
    g_test_add_func("/counter-map/forward/examples", test_forward_examples);
    g_test_add_func("/counter-map/forward/random", test_forward);
    g_test_add_func("/counter-map/inverse/unscaled", test_inverse_unscaled);
    g_test_add_func("/counter-map/inverse/slow-guest", test_inverse_slow_guest);
    g_test_add_func("/counter-map/inverse/fast-guest", test_inverse_fast_guest);
    g_test_add_func("/counter-map/inverse/brute-force",
                    test_inverse_brute_force);
    g_test_add_func("/counter-map/inverse/random", test_inverse);
    g_test_add_func("/counter-map/inverse/skipped", test_inverse_skipped);
    g_test_add_func("/counter-map/inverse/never-reached",
                    test_inverse_never_reached);
    g_test_add_func("/counter-map/inverse/backward", test_inverse_backward);
    g_test_add_func("/counter-map/rate", test_rate);
    g_test_add_func("/counter-map/may-be-same", test_may_be_same);
    return g_test_run();
}
