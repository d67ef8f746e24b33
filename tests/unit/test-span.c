/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spans: what cannot be represented is unknown, never narrow, and every
 * operation contains what it must at both ends of the number range.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/span.h"
#include "seeded.h"

#define CASES 20000

static struct tcs_ns_span span(int64_t lo, int64_t hi)
{
    return (struct tcs_ns_span){ lo, hi };
}

static void assert_span(struct tcs_ns_span actual, int64_t lo, int64_t hi)
{
    g_assert_cmpint(actual.lo, ==, lo);
    g_assert_cmpint(actual.hi, ==, hi);
}

/* Whether a true value is one that `range` allows. */
static bool allows(struct tcs_ns_span range, tcs_i128 value)
{
    return (range.lo == INT64_MIN || range.lo <= value) &&
           (range.hi == INT64_MAX || range.hi >= value);
}

/* Whether a value can be the known end of a span. */
static bool is_representable(tcs_i128 value)
{
    return value > INT64_MIN && value < INT64_MAX;
}

static int64_t random_ns(struct seeded *random)
{
    switch (seeded_range(random, 0, 4)) {
    case 0:
        return INT64_MIN + (int64_t)seeded_range(random, 0, 3);
    case 1:
        return INT64_MAX - (int64_t)seeded_range(random, 0, 3);
    case 2:
        return seeded_signed(random, -20, 20);
    default:
        return (int64_t)seeded_counter(random);
    }
}

static struct tcs_ns_span random_span(struct seeded *random)
{
    int64_t a = random_ns(random), b = random_ns(random);

    return span(MIN(a, b), MAX(a, b));
}

static tcs_i128 random_wide(struct seeded *random)
{
    tcs_i128 value = random_ns(random);

    switch (seeded_range(random, 0, 3)) {
    case 0:
        return value * ((int64_t)1 << seeded_range(random, 0, 62));
    case 1:
        return 2 * value + seeded_signed(random, -2, 2);
    default:
        return value + seeded_signed(random, -2, 2);
    }
}

static void test_from_wide_ends(void)
{
    const tcs_i128 top = INT64_MAX, bottom = INT64_MIN;
    const tcs_i128 far = (tcs_i128)1 << 126;

    assert_span(tcs_ns_span_from_wide(-3, 4), -3, 4);
    assert_span(tcs_ns_span_from_wide(bottom + 1, top - 1), INT64_MIN + 1,
                INT64_MAX - 1);
    assert_span(tcs_ns_span_from_wide(-3, top + 1), -3, INT64_MAX);
    assert_span(tcs_ns_span_from_wide(bottom - 1, 4), INT64_MIN, 4);
    assert_span(tcs_ns_span_from_wide(-far, far), INT64_MIN, INT64_MAX);
    /* Wholly outside, or at the edge: nothing is known. */
    assert_span(tcs_ns_span_from_wide(top, top), INT64_MIN, INT64_MAX);
    assert_span(tcs_ns_span_from_wide(top + 1, far), INT64_MIN, INT64_MAX);
    assert_span(tcs_ns_span_from_wide(bottom, bottom), INT64_MIN, INT64_MAX);
    assert_span(tcs_ns_span_from_wide(-far, bottom - 1), INT64_MIN, INT64_MAX);

    g_assert_true(tcs_ns_span_is_bounded(span(INT64_MIN + 1, INT64_MAX - 1)));
    g_assert_false(tcs_ns_span_is_bounded(span(INT64_MIN, 0)));
    g_assert_false(tcs_ns_span_is_bounded(span(0, INT64_MAX)));
    g_assert_false(tcs_ns_span_is_bounded(TCS_NS_SPAN_UNKNOWN));
}

static void test_from_wide(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        tcs_i128 a = random_wide(&random), b = random_wide(&random);
        tcs_i128 lo = MIN(a, b), hi = MAX(a, b);
        struct tcs_ns_span actual = tcs_ns_span_from_wide(lo, hi);

        PROPERTY(&random, allows(actual, lo) && allows(actual, hi));
        if (is_representable(lo)) {
            PROPERTY(&random, actual.lo == lo);
        } else {
            PROPERTY(&random, actual.lo == INT64_MIN);
        }
        if (is_representable(hi)) {
            PROPERTY(&random, actual.hi == hi);
        } else {
            PROPERTY(&random, actual.hi == INT64_MAX);
        }
    }
}

static void test_subtract_ends(void)
{
    assert_span(tcs_ns_span_subtract(span(10, 12), span(3, 4)), 6, 9);
    assert_span(tcs_ns_span_subtract(TCS_NS_SPAN_UNKNOWN, span(3, 4)),
                INT64_MIN, INT64_MAX);
    assert_span(tcs_ns_span_subtract(span(INT64_MIN, 12), span(3, 4)),
                INT64_MIN, 9);
    assert_span(tcs_ns_span_subtract(span(10, 12), span(3, INT64_MAX)),
                INT64_MIN, 9);
    assert_span(tcs_ns_span_subtract(span(10, INT64_MAX), span(3, 4)), 6,
                INT64_MAX);
    assert_span(tcs_ns_span_subtract(span(10, 12), span(INT64_MIN, 4)), 6,
                INT64_MAX);
    /* Known ends whose difference does not fit. */
    assert_span(tcs_ns_span_subtract(span(0, INT64_MAX - 1), span(-9, -9)), 9,
                INT64_MAX);
    assert_span(tcs_ns_span_subtract(span(INT64_MIN + 1, 0), span(9, 9)),
                INT64_MIN, -9);
    /* No lower end, and an upper one that does not fit. */
    assert_span(tcs_ns_span_subtract(span(INT64_MIN, -9),
                                     span(INT64_MAX - 1, INT64_MAX - 1)),
                INT64_MIN, INT64_MAX);
}

static void test_subtract(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_ns_span x = random_span(&random), y = random_span(&random);
        struct tcs_ns_span actual = tcs_ns_span_subtract(x, y);
        bool is_lo_known = x.lo != INT64_MIN && y.hi != INT64_MAX;
        bool is_hi_known = x.hi != INT64_MAX && y.lo != INT64_MIN;
        tcs_i128 lo = (tcs_i128)x.lo - y.hi, hi = (tcs_i128)x.hi - y.lo;

        for (int i = 0; i < 8; i++) {
            tcs_i128 a = seeded_signed(&random, x.lo, x.hi);
            tcs_i128 b = seeded_signed(&random, y.lo, y.hi);

            PROPERTY(&random, allows(actual, a - b));
        }
        /* No wider than needed where both ends fit. */
        if (is_lo_known && is_representable(lo)) {
            PROPERTY(&random, actual.lo == lo);
        } else {
            PROPERTY(&random, actual.lo == INT64_MIN);
        }
        if (is_hi_known && is_representable(hi)) {
            PROPERTY(&random, actual.hi == hi);
        } else {
            PROPERTY(&random, actual.hi == INT64_MAX);
        }
    }
}

static void test_intersect_ends(void)
{
    struct tcs_ns_span common = span(7, 8);

    g_assert_cmpint(tcs_ns_span_intersect(span(1, 2), span(3, 4), &common), ==,
                    -EDOM);
    assert_span(common, 7, 8);
    g_assert_cmpint(tcs_ns_span_intersect(span(1, 3), span(3, 4), &common), ==,
                    0);
    assert_span(common, 3, 3);
    g_assert_cmpint(
        tcs_ns_span_intersect(span(INT64_MIN, 3), span(2, INT64_MAX), &common),
        ==, 0);
    assert_span(common, 2, 3);
    g_assert_cmpint(
        tcs_ns_span_intersect(span(INT64_MIN, 1), span(2, INT64_MAX), &common),
        ==, -EDOM);
    assert_span(common, 2, 3);
}

/* Point by point over small spans. */
static void test_intersect(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        int64_t base = random_ns(&random) / 2;
        int64_t end[4];

        for (int i = 0; i < 4; i++) {
            end[i] = base + seeded_signed(&random, -9, 9);
        }
        struct tcs_ns_span a = span(MIN(end[0], end[1]), MAX(end[0], end[1]));
        struct tcs_ns_span b = span(MIN(end[2], end[3]), MAX(end[2], end[3]));
        struct tcs_ns_span common = { 0 };
        int ret = tcs_ns_span_intersect(a, b, &common);

        for (int64_t x = base - 10; x <= base + 10; x++) {
            bool is_common = allows(a, x) && allows(b, x);

            PROPERTY(&random, is_common == (ret == 0 && allows(common, x)));
        }
        PROPERTY(&random, ret == 0 || ret == -EDOM);
    }
}

static void test_centre_ends(void)
{
    int64_t centre = 7;
    uint64_t bound = 8;

    g_assert_cmpint(tcs_ns_span_centre(span(INT64_MIN, 3), &centre, &bound), ==,
                    -ERANGE);
    g_assert_cmpint(tcs_ns_span_centre(span(3, INT64_MAX), &centre, &bound), ==,
                    -ERANGE);
    g_assert_cmpint(centre, ==, 7);
    g_assert_cmpuint(bound, ==, 8);
    g_assert_cmpint(tcs_ns_span_centre(span(5, 5), &centre, &bound), ==, 0);
    g_assert_cmpint(centre, ==, 5);
    g_assert_cmpuint(bound, ==, 0);
    g_assert_cmpint(
        tcs_ns_span_centre(span(INT64_MIN + 1, INT64_MAX - 1), &centre, &bound),
        ==, 0);
    g_assert_cmpuint(bound, ==, INT64_MAX);
}

/* An odd width: rounded toward the lower end, and the bound reaches both. */
static void test_centre_rounding(void)
{
    static const struct {
        int64_t lo, hi, centre;
        uint64_t bound;
    } rows[] = {
        { 5, 6, 5, 1 },
        { 5, 7, 6, 1 },
        { 5, 8, 6, 2 },
        { -6, -5, -6, 1 },
        { -3, 0, -2, 2 },
        { -1, 0, -1, 1 },
        { -1, 2, 0, 2 },
        { INT64_MIN + 1, INT64_MIN + 2, INT64_MIN + 1, 1 },
        { INT64_MAX - 2, INT64_MAX - 1, INT64_MAX - 2, 1 },
        { INT64_MIN + 1, INT64_MAX - 2, -1, INT64_MAX - 1 },
        { INT64_MIN + 2, INT64_MAX - 1, 0, INT64_MAX - 1 },
        { INT64_MIN + 1, 0, -(INT64_MAX / 2) - 1, INT64_MAX / 2 + 1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int64_t centre;
        uint64_t bound;

        g_assert_cmpint(
            tcs_ns_span_centre(span(rows[i].lo, rows[i].hi), &centre, &bound),
            ==, 0);
        g_assert_cmpint(centre, ==, rows[i].centre);
        g_assert_cmpuint(bound, ==, rows[i].bound);
    }
}

static void test_centre(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_ns_span range = random_span(&random);
        tcs_i128 width = (tcs_i128)range.hi - range.lo;
        int64_t centre;
        uint64_t bound;
        int ret = tcs_ns_span_centre(range, &centre, &bound);

        if (!tcs_ns_span_is_bounded(range)) {
            PROPERTY(&random, ret == -ERANGE);
            continue;
        }
        PROPERTY(&random, ret == 0);
        PROPERTY(&random, (tcs_i128)centre - bound <= range.lo);
        PROPERTY(&random, (tcs_i128)centre + bound >= range.hi);
        /* Twice a smaller bound would not reach across. */
        PROPERTY(&random, 2 * (tcs_i128)bound <= width + 1 &&
                              centre >= range.lo && centre <= range.hi);
    }
}

static void test_division_signs(void)
{
    for (int n = -40; n <= 40; n++) {
        for (int d = 1; d <= 12; d++) {
            int down = -100, up = 100;

            while ((down + 1) * d <= n) {
                down++;
            }
            while ((up - 1) * d >= n) {
                up--;
            }
            g_assert_cmpint((int)tcs_floor_div(n, d), ==, down);
            g_assert_cmpint((int)tcs_ceil_div(n, d), ==, up);
        }
    }
}

static void test_division(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        tcs_i128 d = (tcs_i128)seeded_bits(&random, 62) + 1;
        tcs_i128 n = (tcs_i128)(int64_t)seeded_counter(&random) *
                     (int64_t)seeded_bits(&random, 62);
        tcs_i128 down = tcs_floor_div(n, d), up = tcs_ceil_div(n, d);

        PROPERTY(&random, n - down * d >= 0 && n - down * d < d);
        PROPERTY(&random, up * d - n >= 0 && up * d - n < d);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/span/from-wide/ends", test_from_wide_ends);
    g_test_add_func("/span/from-wide/random", test_from_wide);
    g_test_add_func("/span/subtract/ends", test_subtract_ends);
    g_test_add_func("/span/subtract/random", test_subtract);
    g_test_add_func("/span/intersect/ends", test_intersect_ends);
    g_test_add_func("/span/intersect/random", test_intersect);
    g_test_add_func("/span/centre/ends", test_centre_ends);
    g_test_add_func("/span/centre/rounding", test_centre_rounding);
    g_test_add_func("/span/centre/random", test_centre);
    g_test_add_func("/span/division/signs", test_division_signs);
    g_test_add_func("/span/division/random", test_division);
    return g_test_run();
}
