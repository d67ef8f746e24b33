/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock's timeline: examples worked out by hand. What it says of clocks with
 * all their habits is in tests/sim.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/timeline.h"

/* Half a nanosecond a tick; and that give or take 2000 ppm. */
#define HALF      ((struct tcs_rate_span){ { 1, 2 }, { 1, 2 } })
#define NEAR_HALF ((struct tcs_rate_span){ { 499, 1000 }, { 501, 1000 } })

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static int add(struct tcs_timeline *timeline, uint64_t before, uint64_t after,
               int64_t lo, int64_t hi)
{
    struct tcs_host_reading reading = { host_span(before, after), { lo, hi } };

    return tcs_timeline_add(timeline, &reading);
}

/* A reading that is exact. */
static void add_exact(struct tcs_timeline *timeline, uint64_t ticks, int64_t ns)
{
    g_assert_cmpint(add(timeline, ticks, ticks, ns, ns), ==, 0);
}

static int at(struct tcs_timeline *timeline, uint64_t from, uint64_t to,
              struct tcs_ns_span *ret_value)
{
    g_assert_cmpint(tcs_timeline_finish(timeline), ==, 0);
    return tcs_timeline_at(timeline, host_span(from, to), ret_value);
}

static int when(struct tcs_timeline *timeline, int64_t lo, int64_t hi,
                struct tcs_host_span *ret_when)
{
    g_assert_cmpint(tcs_timeline_finish(timeline), ==, 0);
    return tcs_timeline_when(timeline, (struct tcs_ns_span){ lo, hi },
                             ret_when);
}

static void assert_at(struct tcs_timeline *timeline, uint64_t from, uint64_t to,
                      int64_t lo, int64_t hi)
{
    struct tcs_ns_span value;

    g_assert_cmpint(at(timeline, from, to, &value), ==, 0);
    g_assert_cmpint(value.lo, ==, lo);
    g_assert_cmpint(value.hi, ==, hi);
}

static void assert_when(struct tcs_timeline *timeline, int64_t lo, int64_t hi,
                        uint64_t from, uint64_t to)
{
    struct tcs_host_span moments;

    g_assert_cmpint(when(timeline, lo, hi, &moments), ==, 0);
    g_assert_cmpuint(moments.lo.ticks, ==, from);
    g_assert_cmpuint(moments.hi.ticks, ==, to);
}

static void test_empty(void)
{
    struct tcs_timeline timeline;
    struct tcs_ns_span value = { 7, 8 };
    struct tcs_host_span moments = host_span(7, 8);

    tcs_timeline_init(&timeline, HALF);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(at(&timeline, 0, 10, &value), ==, -ENODATA);
        g_assert_cmpint(when(&timeline, 0, 10, &moments), ==, -ENODATA);
        g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 0);
        g_assert_cmpint(value.lo, ==, 7);
        g_assert_cmpuint(moments.hi.ticks, ==, 8);
        /* Cleared it is as new, with the same rates. */
        add_exact(&timeline, 1000, 500);
        /* At any moment of a tick, from one of another. */
        assert_at(&timeline, 2000, 2000, 999, 1001);
        tcs_timeline_clear(&timeline);
    }
}

static void test_order(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, HALF);
    g_assert_cmpint(add(&timeline, 11, 10, 5, 6), ==, -EINVAL);
    g_assert_cmpint(add(&timeline, 10, 11, 7, 6), ==, -EINVAL);
    g_assert_cmpint(add(&timeline, 10, 11, INT64_MIN, 6), ==, -EINVAL);
    g_assert_cmpint(add(&timeline, 10, 11, 5, INT64_MAX), ==, -EINVAL);
    g_assert_cmpuint(timeline.n, ==, 0);
    /* Any order; of those with a tick in common the tightest is kept. */
    g_assert_cmpint(add(&timeline, 200, 300, 150, 160), ==, 0);
    g_assert_cmpint(add(&timeline, 100, 200, 50, 60), ==, 0);
    g_assert_cmpint(add(&timeline, 10, 20, 5, 6), ==, 0);
    g_assert_cmpint(add(&timeline, 130, 140, 50, 60), ==, 0);
    g_assert_cmpint(tcs_timeline_finish(&timeline), ==, 0);
    g_assert_cmpuint(timeline.n, ==, 3);
    g_assert_cmpuint(timeline.dropped, ==, 1);
    g_assert_cmpuint(timeline.readings[1].when.hi.ticks, ==, 140);
    for (uint64_t i = 0; i < 1000; i++) {
        add_exact(&timeline, 301 + i, (int64_t)i);
    }
    g_assert_cmpint(tcs_timeline_finish(&timeline), ==, 0);
    g_assert_cmpuint(timeline.n, ==, 1003);
    g_assert_cmpuint(timeline.dropped, ==, 1);
    tcs_timeline_clear(&timeline);
}

/* From one reading: the fan of the rates, over and after its bracket. */
static void test_single(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, NEAR_HALF);
    g_assert_cmpint(add(&timeline, 1000, 1010, 500, 501), ==, 0);
    assert_at(&timeline, 1000, 1000, 500 - 6, 502);
    assert_at(&timeline, 1010, 1010, 499, 501 + 6);
    assert_at(&timeline, 2010, 2010, 500 + 498, 501 + 507);
    assert_at(&timeline, 0, 0, 500 - 507, 501 - 498);
    assert_at(&timeline, 0, 2010, 500 - 507, 501 + 507);
    /* 499 / 0.501 is 996 and a bit, 500 / 0.499 is 1002 and a bit. */
    assert_when(&timeline, 1000, 1000, 1000 + 996, 1010 + 1003);
    /* One less than it may have been, at 0.499. */
    assert_when(&timeline, 500, 500, 1000 - 3, 1010);
    assert_when(&timeline, 501, 501, 1000, 1010 + 3);
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 0);
    tcs_timeline_clear(&timeline);
}

/*
 * With one rate and exact readings all is a line, as wide as the ticks in which
 * it was read and is asked for.
 */
static void test_line(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, HALF);
    add_exact(&timeline, 1000, 500);
    add_exact(&timeline, 2000, 1000);
    add_exact(&timeline, 4000, 2000);
    assert_at(&timeline, 1500, 1500, 749, 751);
    assert_at(&timeline, 1501, 1501, 750, 751);
    assert_at(&timeline, 0, 8000, -1, 4001);
    assert_at(&timeline, 2000, 2000, 999, 1001);
    assert_when(&timeline, 750, 750, 1500, 1500);
    assert_when(&timeline, 0, 4000, 0, 8000);
    assert_when(&timeline, 1000, 1000, 2000, 2000);
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 0);
    tcs_timeline_clear(&timeline);
}

/* What a counter cannot have shown is not clipped to its ends. */
static void test_ends_of_counter(void)
{
    struct tcs_timeline timeline;
    struct tcs_host_span moments;

    tcs_timeline_init(&timeline, HALF);
    add_exact(&timeline, 1000, 500);
    assert_when(&timeline, 0, 0, 0, 0);
    assert_when(&timeline, -9, 1, 0, 2);
    g_assert_cmpint(when(&timeline, -9, -1, &moments), ==, -ENODATA);
    tcs_timeline_clear(&timeline);

    add_exact(&timeline, UINT64_MAX - 10, 500);
    assert_when(&timeline, 505, 505, UINT64_MAX, UINT64_MAX);
    assert_when(&timeline, 505, 900, UINT64_MAX, UINT64_MAX);
    g_assert_cmpint(when(&timeline, 506, 900, &moments), ==, -ENODATA);
    assert_when(&timeline, INT64_MIN, INT64_MAX, 0, UINT64_MAX);
    tcs_timeline_clear(&timeline);
}

/* A clock that may stand still shows its value for ever. */
static void test_standing_still(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, TCS_RATE_SPAN_MONOTONE);
    add_exact(&timeline, 1000, 500);
    assert_at(&timeline, 1001, 1001, 500, INT64_MAX);
    assert_when(&timeline, 500, 500, 0, UINT64_MAX);
    assert_when(&timeline, 501, 501, 1000, UINT64_MAX);
    assert_when(&timeline, 499, 499, 0, 1000);
    tcs_timeline_clear(&timeline);
}

/* The neighbours tell the rate; at either end there is only one. */
static void test_rates(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, NEAR_HALF);
    for (uint64_t i = 0; i < 5; i++) {
        add_exact(&timeline, i * 1000000, (int64_t)i * 500000);
    }
    /*
     * 1 ppm, and 1 ppm as the ticks leave it open, of 250000 are half a
     * nanosecond; and half a one for the tick.
     */
    assert_at(&timeline, 1500000, 1500000, 749998, 750002);
    assert_at(&timeline, 2500000, 2500000, 1249998, 1250002);
    /* 2000 ppm are 500. */
    assert_at(&timeline, 500000, 500000, 249499, 250501);
    assert_at(&timeline, 3500000, 3500000, 1749499, 1750501);
    assert_when(&timeline, 750000, 750000, 1499998, 1500002);
    tcs_timeline_clear(&timeline);

    /* A rate that changes by 1000 ppm in the third interval. */
    for (uint64_t i = 0; i < 6; i++) {
        int64_t later = i > 3 ? (int64_t)(i - 3) * 500 : 0;

        add_exact(&timeline, i * 1000000,
                  (int64_t)i * 500000 + later + (i > 2 ? 250 : 0));
    }
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 0);
    /* Either rate: 250000 or 250250 from the left; 1 ppm besides. */
    assert_at(&timeline, 2500000, 2500000, 1249998, 1250252);
    tcs_timeline_clear(&timeline);
}

/*
 * A step of 100 ns in the second interval of half a millisecond is far below
 * what is allowed of a rate. The clock is on its old course or on its new one.
 */
static void test_small_step(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, NEAR_HALF);
    add_exact(&timeline, 0, 0);
    add_exact(&timeline, 1000000, 500000);
    add_exact(&timeline, 2000000, 1000100);
    add_exact(&timeline, 3000000, 1500100);
    assert_at(&timeline, 1500000, 1500000, 749999, 750101);
    assert_at(&timeline, 1000002, 1000002, 500000, 500103);
    /* 50 ns before and after, at a tick's half a nanosecond; and 2 ppm. */
    assert_when(&timeline, 750050, 750050, 1499898, 1500102);
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 0);
    tcs_timeline_clear(&timeline);
}

/*
 * A step that looks like wander: 400 ns in half a second. Two ticks after the
 * reading before it the clock may have been set already, by that or by as much
 * more as it may have wandered back since: 500 ns.
 */
static void test_hidden_step(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, NEAR_HALF);
    add_exact(&timeline, 0, 0);
    add_exact(&timeline, 1000000000, 500000000);
    add_exact(&timeline, 2000000000, 1000000400);
    add_exact(&timeline, 3000000000, 1500000400);
    assert_at(&timeline, 1000000002, 1000000002, 500000401 - 501,
              500000401 + 501);
    tcs_timeline_clear(&timeline);
}

/*
 * A slew of 400 ppm for a second, from 0.7 s after the second reading to 0.7 s
 * after the third: the mean rates are 0, 120, 280 and 0 ppm more than half a
 * nanosecond, and no interval shows its own true rates.
 */
static void test_slew_across(void)
{
    struct tcs_timeline timeline;

    tcs_timeline_init(&timeline, NEAR_HALF);
    add_exact(&timeline, 0, 0);
    add_exact(&timeline, 2000000000, 1000000000);
    add_exact(&timeline, 4000000000, 2000120000);
    add_exact(&timeline, 6000000000, 3000400000);
    add_exact(&timeline, 8000000000, 4000400000);
    /* When it begins; truly 1700000000. At 280 ppm and 1 ppm more it would be
     * 300084300.084 ns to the third reading. */
    assert_at(&timeline, 3400000000, 3400000000, 1700000000 - 701, 1700196702);
    /* When it ends; truly 2700400000. */
    assert_at(&timeline, 5400000000, 5400000000, 2700119299, 2700400301);
    tcs_timeline_clear(&timeline);
}

static void test_gap(void)
{
    struct tcs_timeline timeline;
    struct tcs_ns_span value = { 7, 8 };
    struct tcs_host_span moments;

    tcs_timeline_init(&timeline, HALF);
    add_exact(&timeline, 0, 0);
    g_assert_cmpint(add(&timeline, 1000, 1010, 500, 505), ==, 0);
    /* A microsecond ahead. */
    g_assert_cmpint(add(&timeline, 2000, 2010, 2000, 2005), ==, 0);
    add_exact(&timeline, 3010, 2505);
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 1);
    g_assert_cmpint(at(&timeline, 1500, 1500, &value), ==, -ENODATA);
    g_assert_cmpint(at(&timeline, 500, 2500, &value), ==, -ENODATA);
    /* When in its bracket the reading was taken is not known. */
    g_assert_cmpint(at(&timeline, 1000, 1000, &value), ==, -ENODATA);
    g_assert_cmpint(at(&timeline, 2010, 2010, &value), ==, -ENODATA);
    g_assert_cmpint(value.lo, ==, 7);
    assert_at(&timeline, 999, 999, 494, 505);
    assert_at(&timeline, 2011, 2011, 2000, 2011);
    assert_at(&timeline, 9010, 9010, 5504, 5506);

    assert_when(&timeline, 250, 250, 490, 510);
    assert_when(&timeline, 2400, 2400, 2790, 2810);
    g_assert_cmpint(when(&timeline, 1000, 1100, &moments), ==, -ENODATA);
    tcs_timeline_clear(&timeline);
}

/* Set back by 400 us in the second of three half milliseconds. */
static void test_set_back(void)
{
    struct tcs_timeline timeline;
    struct tcs_host_span moments;

    tcs_timeline_init(&timeline, HALF);
    add_exact(&timeline, 0, 0);
    add_exact(&timeline, 1000000, 500000);
    add_exact(&timeline, 2000000, 600000);
    add_exact(&timeline, 3000000, 1100000);
    g_assert_cmpuint(tcs_timeline_gaps(&timeline), ==, 1);
    /* Shown before the gap, and perhaps in it. */
    g_assert_cmpint(when(&timeline, 400000, 400000, &moments), ==, -ENOTUNIQ);
    /* Perhaps in it, and after it. */
    g_assert_cmpint(when(&timeline, 700000, 700000, &moments), ==, -ENOTUNIQ);
    /* Only in it. */
    g_assert_cmpint(when(&timeline, 550000, 550000, &moments), ==, -ENODATA);
    /* 1100000 ticks from the other end of the gap, which has a million. */
    assert_when(&timeline, 50000, 50000, 100000, 100000);
    assert_when(&timeline, 1050000, 1050000, 2900000, 2900000);
    /* From before it to after it, without a hole. */
    assert_when(&timeline, 300000, 900000, 600000, 2600000);
    /* Far back: shown before and after. */
    tcs_timeline_clear(&timeline);
    add_exact(&timeline, 1000000, 500000);
    add_exact(&timeline, 1100000, 550000);
    add_exact(&timeline, 1200000, 300000);
    add_exact(&timeline, 1900000, 650000);
    g_assert_cmpint(when(&timeline, 525000, 525000, &moments), ==, -ENOTUNIQ);
    assert_when(&timeline, 600001, 700000, 1800002, 2000000);
    tcs_timeline_clear(&timeline);
}

static void assert_likely(struct tcs_timeline *timeline, uint64_t ticks,
                          int64_t ns)
{
    struct tcs_host_ticks moment;
    int64_t value;

    g_assert_cmpint(tcs_timeline_finish(timeline), ==, 0);
    g_assert_cmpint(tcs_timeline_likely_at(
                        timeline, (struct tcs_host_ticks){ ticks }, &value),
                    ==, 0);
    g_assert_cmpint(value, ==, ns);
    g_assert_cmpint(
        tcs_timeline_likely_when(timeline, ns, host_span(0, 100000), &moment),
        ==, 0);
    /* The first moment of that nanosecond, which lasts for two ticks. */
    g_assert_cmpuint(moment.ticks, <=, ticks);
    g_assert_cmpuint(moment.ticks + 2, >=, ticks);
}

/* On the line between the readings, though much more may have happened. */
static void test_likely(void)
{
    struct tcs_timeline timeline;
    struct tcs_host_ticks moment;
    struct tcs_ns_span span;
    int64_t value;

    tcs_timeline_init(&timeline, NEAR_HALF);
    add_exact(&timeline, 1000, 5000);
    g_assert_cmpint(tcs_timeline_finish(&timeline), ==, 0);
    g_assert_cmpint(tcs_timeline_likely_at(
                        &timeline, (struct tcs_host_ticks){ 1000 }, &value),
                    ==, -ENODATA);
    add_exact(&timeline, 3000, 6002);
    assert_likely(&timeline, 1000, 5000);
    assert_likely(&timeline, 2000, 5501);
    assert_likely(&timeline, 3000, 6002);
    /* What is promised just after a reading has its likely value at an end. */
    g_assert_cmpint(at(&timeline, 1001, 1001, &span), ==, 0);
    g_assert_cmpint(span.hi - span.lo, >, 2);
    /* Beyond both ends. */
    assert_likely(&timeline, 5000, 7004);
    assert_likely(&timeline, 0, 4499);
    /* Only moments that may be meant. */
    g_assert_cmpint(tcs_timeline_likely_when(&timeline, 5501,
                                             host_span(2100, 2200), &moment),
                    ==, 0);
    g_assert_cmpuint(moment.ticks, ==, 2100);
    /* A step: nothing is likely in between. */
    add_exact(&timeline, 4000, 9000);
    add_exact(&timeline, 5000, 9500);
    g_assert_cmpint(tcs_timeline_finish(&timeline), ==, 0);
    g_assert_cmpint(tcs_timeline_likely_at(
                        &timeline, (struct tcs_host_ticks){ 3500 }, &value),
                    ==, -ENODATA);
    /* And what is beyond the last reading goes by those since the step. */
    assert_likely(&timeline, 7000, 10500);
    tcs_timeline_clear(&timeline);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/timeline/empty", test_empty);
    g_test_add_func("/timeline/order", test_order);
    g_test_add_func("/timeline/single", test_single);
    g_test_add_func("/timeline/line", test_line);
    g_test_add_func("/timeline/ends-of-counter", test_ends_of_counter);
    g_test_add_func("/timeline/standing-still", test_standing_still);
    g_test_add_func("/timeline/rates", test_rates);
    g_test_add_func("/timeline/small-step", test_small_step);
    g_test_add_func("/timeline/hidden-step", test_hidden_step);
    g_test_add_func("/timeline/slew-across", test_slew_across);
    g_test_add_func("/timeline/gap", test_gap);
    g_test_add_func("/timeline/set-back", test_set_back);
    g_test_add_func("/timeline/likely", test_likely);
    return g_test_run();
}
