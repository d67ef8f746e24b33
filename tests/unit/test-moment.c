/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a clock showed a value: known cases, and a seeded clock whose truth is
 * known, whose moments must lie inside and must not be wide for nothing.
 */
#include "clocksync/moment.h"

#include <errno.h>
#include <glib.h>

#include "seeded.h"

/* 1 ns per tick, give or take a tenth. */
static const struct tcs_rate_span about_one = { { 9, 10 }, { 11, 10 } };

static struct tcs_host_reading reading(uint64_t before, uint64_t after,
                                       int64_t lo, int64_t hi)
{
    return (struct tcs_host_reading){ .when = { { before }, { after } },
                                      .value = { lo, hi } };
}

static void assert_when(const struct tcs_host_reading *readings, size_t n,
                        struct tcs_ns_span value, struct tcs_rate_span rate,
                        uint64_t lo, uint64_t hi)
{
    struct tcs_host_span when;

    g_assert_cmpint(tcs_host_readings_when(readings, n, value, rate, &when), ==,
                    0);
    g_assert_cmpuint(when.lo.ticks, ==, lo);
    g_assert_cmpuint(when.hi.ticks, ==, hi);
}

static void test_none(void)
{
    assert_when(NULL, 0, (struct tcs_ns_span){ 5, 6 }, about_one, 0,
                UINT64_MAX);
}

static void test_one(void)
{
    struct tcs_host_reading at = reading(1000, 1010, 500, 501);

    /* 99 to 100 ns later, at 0.9 to 1.1 ns a tick. */
    assert_when(&at, 1, (struct tcs_ns_span){ 600, 600 }, about_one, 1090,
                1010 + 112);
    /* 100 to 101 ns earlier. */
    assert_when(&at, 1, (struct tcs_ns_span){ 400, 400 }, about_one, 1000 - 113,
                1010 - 90);
    assert_when(&at, 1, (struct tcs_ns_span){ 500, 501 }, about_one, 998, 1012);
    /* It never ran backward; that is all. */
    assert_when(&at, 1, (struct tcs_ns_span){ 600, 600 },
                TCS_RATE_SPAN_MONOTONE, 1000, UINT64_MAX);
    assert_when(&at, 1, (struct tcs_ns_span){ 400, 400 },
                TCS_RATE_SPAN_MONOTONE, 0, 1010);
}

static void test_unknown(void)
{
    struct tcs_host_reading at = reading(1000, 1010, 500, 501);

    assert_when(&at, 1, TCS_NS_SPAN_UNKNOWN, about_one, 0, UINT64_MAX);
    assert_when(&at, 1, (struct tcs_ns_span){ 600, INT64_MAX }, about_one, 1090,
                UINT64_MAX);
}

static void test_ends(void)
{
    struct tcs_host_reading at = reading(UINT64_MAX - 10, UINT64_MAX, 0, 0);
    tcs_i128 back = tcs_ceil_div((tcs_i128)INT64_MAX * 10, 9);

    assert_when(&at, 1, (struct tcs_ns_span){ -INT64_MAX, INT64_MAX - 1 },
                about_one, (uint64_t)(UINT64_MAX - 10 - back), UINT64_MAX);
}

static void test_contradiction(void)
{
    struct tcs_host_reading readings[] = {
        reading(1000, 1010, 500, 501),
        reading(2000, 2010, 9000, 9001), /* stepped */
    };
    struct tcs_host_span when = { { 7 }, { 7 } };

    g_assert_cmpint(tcs_host_readings_when(readings, 2,
                                           (struct tcs_ns_span){ 600, 600 },
                                           about_one, &when),
                    ==, -EDOM);
    g_assert_cmpuint(when.lo.ticks, ==, 7);
}

/* A clock in hundredths of a nanosecond, at a rate that changes at random. */
struct clock {
    uint64_t ticks;
    int64_t hundredths;
};

static void advance(struct seeded *random, struct clock *clock)
{
    uint64_t ticks = seeded_range(random, 1, 100000);

    clock->ticks += ticks;
    clock->hundredths += (int64_t)(ticks * seeded_range(random, 91, 109));
}

static struct tcs_ns_span shown(const struct clock *clock)
{
    return tcs_clock_value(clock->hundredths / 100, 1);
}

static void test_truth_inside(void)
{
    struct seeded random = seeded_start();

    for (int round = 0; round < 3000; round++) {
        struct tcs_host_reading readings[6];
        struct clock clock = {
            .ticks = seeded_range(&random, 2, (uint64_t)1 << 62),
            .hundredths = seeded_signed(&random, 0, (int64_t)1 << 60),
        };
        size_t wanted = seeded_range(&random, 0, 5);
        struct clock truth = { 0 };
        struct tcs_host_span when;

        random.case_number = (unsigned int)round;
        for (size_t i = 0; i < G_N_ELEMENTS(readings); i++) {
            advance(&random, &clock);
            readings[i] = (struct tcs_host_reading){
                .when = { { clock.ticks - seeded_range(&random, 0, 2) },
                          { clock.ticks } },
                .value = shown(&clock),
            };
            advance(&random, &clock);
            if (i == wanted) {
                truth = clock;
            }
            advance(&random, &clock);
        }
        PROPERTY(&random,
                 tcs_host_readings_when(readings, G_N_ELEMENTS(readings),
                                        shown(&truth), about_one, &when) == 0);
        PROPERTY(&random, when.lo.ticks <= truth.ticks);
        PROPERTY(&random, when.hi.ticks >= truth.ticks);
        /* A fifth of the way to the nearer reading, and the readings. */
        PROPERTY(&random, when.hi.ticks - when.lo.ticks < 200000 / 4 + 10);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/moment/none", test_none);
    g_test_add_func("/moment/one", test_one);
    g_test_add_func("/moment/unknown", test_unknown);
    g_test_add_func("/moment/ends", test_ends);
    g_test_add_func("/moment/contradiction", test_contradiction);
    g_test_add_func("/moment/truth-inside", test_truth_inside);
    return g_test_run();
}
