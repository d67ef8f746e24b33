/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readings: what follows from them at other moments contains the truth of
 * simulated clocks, is no wider than it must be, and shows contradictions.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/reading.h"
#include "seeded.h"
#include "wide.h"

#define CASES      5000
#define RATE_LIMIT ((uint64_t)1 << 62)
#define NO_LO      INT64_MIN
#define NO_HI      INT64_MAX

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static struct tcs_host_reading reading(uint64_t before, uint64_t after,
                                       int64_t lo, int64_t hi)
{
    return (struct tcs_host_reading){ host_span(before, after), { lo, hi } };
}

static struct tcs_rate_span rates(uint64_t lo_ns, uint64_t lo_ticks,
                                  uint64_t hi_ns, uint64_t hi_ticks)
{
    return (struct tcs_rate_span){ { lo_ns, lo_ticks }, { hi_ns, hi_ticks } };
}

static void assert_ns(struct tcs_ns_span actual, int64_t lo, int64_t hi)
{
    g_assert_cmpint(actual.lo, ==, lo);
    g_assert_cmpint(actual.hi, ==, hi);
}

static void test_clock_value(void)
{
    assert_ns(tcs_clock_value(100, 1), 100, 101);
    assert_ns(tcs_clock_value(-5, 4000000), -5, 3999995);
    assert_ns(tcs_clock_value(7, 0), 7, 7);
    assert_ns(tcs_clock_value(INT64_MAX - 1, UINT32_MAX), INT64_MAX - 1, NO_HI);
    assert_ns(tcs_clock_value(INT64_MAX, 1), NO_LO, NO_HI);
    assert_ns(tcs_clock_value(INT64_MIN, 1), NO_LO, INT64_MIN + 1);
}

static void test_extrapolate_examples(void)
{
    struct tcs_host_reading r = reading(1000, 1010, 500, 501);
    struct tcs_rate_span half = rates(1, 2, 1, 2);
    struct tcs_rate_span about = rates(1, 3, 2, 3);

    /*
     * Nothing is assumed about where in [1000, 1011) it was read; and what
     * showed as 1000 may be almost 1001.
     */
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1000, 1000), half),
              494, 502);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1010, 1010), half),
              499, 507);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(2010, 2010), half),
              999, 1007);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(10, 10), half), -1, 7);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1010, 2010), about),
              499, 501 + 674);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(0, 1), about),
              500 - 674, 501 - 332);
    r = reading(1000, 1000, 500, 501);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1000, 1000), half),
              499, 502);
    assert_ns(tcs_host_reading_extrapolate(
                  &r, host_span(0, UINT64_MAX),
                  rates(RATE_LIMIT - 1, 1, RATE_LIMIT - 1, 1)),
              NO_LO, NO_HI);
}

static void test_extrapolate_unknown(void)
{
    struct tcs_rate_span any = TCS_RATE_SPAN_MONOTONE;
    struct tcs_host_reading r = reading(1000, 1010, 500, 501);

    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1011, 9000), any), 500,
              NO_HI);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(7, 999), any), NO_LO,
              501);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1001, 1009), any),
              NO_LO, NO_HI);
    /* Of two moments in one tick either may be the earlier one. */
    r = reading(1000, 1000, 500, 501);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1000, 1000), any),
              NO_LO, NO_HI);
    r = reading(1000, 1010, NO_LO, 501);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1010, 1010),
                                           rates(1, 2, 1, 2)),
              NO_LO, 507);
    r = reading(1000, 1010, 500, NO_HI);
    assert_ns(tcs_host_reading_extrapolate(&r, host_span(1010, 1010),
                                           rates(1, 2, 1, 2)),
              499, NO_HI);
}

/* The ends to the nanosecond, for a random reading and random rates. */
static void test_extrapolate_exact(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        uint64_t base = seeded_counter(&random);
        uint64_t t[4];

        for (int i = 0; i < 4; i++) {
            t[i] = base + seeded_bits(&random, 40);
        }
        struct tcs_host_reading r =
            reading(MIN(t[0], t[1]), MAX(t[0], t[1]),
                    (int64_t)seeded_bits(&random, 60), 0);
        struct tcs_host_span at = host_span(MIN(t[2], t[3]), MAX(t[2], t[3]));
        uint64_t a = seeded_bits(&random, 20), b = seeded_bits(&random, 20);
        uint64_t ticks = 1 + seeded_bits(&random, 20);
        struct tcs_rate_span rate = rates(MIN(a, b), ticks, MAX(a, b), ticks);

        r.value.hi = r.value.lo + (int64_t)seeded_bits(&random, 20);

        struct tcs_ns_span actual = tcs_host_reading_extrapolate(&r, at, rate);
        /* Ticks from the reading to the moment, at the least and the most. */
        tcs_i128 least =
            (tcs_i128)at.lo.ticks - (r.when.hi.ticks + (tcs_i128)1);
        tcs_i128 most = at.hi.ticks + (tcs_i128)1 - r.when.lo.ticks;
        tcs_i128 down = least * (least < 0 ? rate.hi.ns : rate.lo.ns);
        tcs_i128 up = most * (most < 0 ? rate.lo.ns : rate.hi.ns);
        tcs_i128 lo = down / (tcs_i128)ticks, hi = up / (tcs_i128)ticks;

        /* C's division rounds toward 0. */
        lo -= lo * ticks > down;
        hi += hi * ticks < up;
        /* A base near 2^64 spreads the moments over the whole range. */
        struct tcs_ns_span wanted =
            tcs_ns_span_from_wide(r.value.lo + lo, r.value.hi + hi);

        PROPERTY(&random, actual.lo == wanted.lo && actual.hi == wanted.hi);
    }
}

/*
 * A simulated clock whose rate changes at random within what is allowed. A
 * moment is a number of parts of a tick, of which the counter shows the whole
 * ones. Time is kept in units of 1 / UNIT ns, so the truth is exact.
 */
#define PARTS     64
#define RATE_UNIT ((int64_t)1 << 20)
#define UNIT      (PARTS * RATE_UNIT)
#define SEGMENTS  12

typedef tcs_u128 moment_t;

struct simulated {
    uint64_t start; /* host ticks */
    uint64_t segment_ticks;
    tcs_i128 units[SEGMENTS + 1]; /* the clock at each segment's start */
    struct tcs_rate_span allowed;
};

static struct simulated simulated_start(struct seeded *random)
{
    struct simulated clock = {
        .segment_ticks = 1 + seeded_bits(random, 44),
    };
    /* Around half a nanosecond a tick, or anything. */
    uint64_t lo = seeded_range(random, 0, 1)
                      ? RATE_UNIT / 2 - seeded_bits(random, 10)
                      : seeded_bits(random, 21);
    uint64_t hi = lo + seeded_bits(random, 12);
    uint64_t length = clock.segment_ticks * SEGMENTS;

    clock.start = seeded_counter(random);
    clock.start = MIN(clock.start, UINT64_MAX - length);
    clock.units[0] =
        (tcs_i128)seeded_signed(random, -(1LL << 61), 1LL << 61) * UNIT;
    for (int i = 0; i < SEGMENTS; i++) {
        /* The extremes must occur, and often. */
        uint64_t rate = seeded_range(random, 0, 1)
                            ? seeded_range(random, lo, hi)
                            : (seeded_range(random, 0, 1) ? lo : hi);

        clock.units[i + 1] =
            clock.units[i] + (tcs_i128)rate * PARTS * clock.segment_ticks;
    }
    clock.allowed = rates(lo, RATE_UNIT, hi, RATE_UNIT);
    return clock;
}

static moment_t simulated_moment(const struct simulated *clock,
                                 struct seeded *random)
{
    uint64_t length = clock->segment_ticks * SEGMENTS;

    return (moment_t)clock->start * PARTS +
           seeded_range(random, 0, length * PARTS);
}

static uint64_t counter_at(moment_t moment)
{
    return (uint64_t)(moment / PARTS);
}

/* Some moment of these ticks; the very first and last ones often. */
static moment_t moment_in(struct tcs_host_span at, struct seeded *random)
{
    moment_t first = (moment_t)at.lo.ticks * PARTS;
    moment_t last = (moment_t)at.hi.ticks * PARTS + PARTS - 1;

    switch (seeded_range(random, 0, 3)) {
    case 0:
        return first;
    case 1:
        return last;
    default:
        return first + seeded_range(random, 0, (uint64_t)(last - first));
    }
}

static tcs_i128 simulated_units(const struct simulated *clock, moment_t moment)
{
    tcs_i128 since =
        (tcs_i128)moment - (tcs_i128)((moment_t)clock->start * PARTS);
    tcs_i128 segment = (tcs_i128)clock->segment_ticks * PARTS;
    tcs_i128 i = MIN(since / segment, SEGMENTS - 1);
    tcs_i128 rise = clock->units[i + 1] - clock->units[i];

    /* Exact, as each segment's rate is a whole number of units. */
    return clock->units[i] + rise / segment * (since - i * segment);
}

/* A clock shows whole nanoseconds, rounded down. */
static int64_t simulated_shown(const struct simulated *clock, moment_t moment)
{
    tcs_i128 units = simulated_units(clock, moment);
    tcs_i128 rest = ((units % UNIT) + UNIT) % UNIT;

    return (int64_t)((units - rest) / UNIT);
}

static struct tcs_host_reading simulated_read(const struct simulated *clock,
                                              struct seeded *random)
{
    moment_t truth = simulated_moment(clock, random);
    uint64_t before = seeded_before(random, counter_at(truth), 14);
    uint64_t after = seeded_after(random, counter_at(truth), 14);

    return (struct tcs_host_reading){
        .when = host_span(before, after),
        .value = tcs_clock_value(simulated_shown(clock, truth), 1),
    };
}

static bool contains_truth(struct tcs_ns_span span,
                           const struct simulated *clock, moment_t moment)
{
    tcs_i128 units = simulated_units(clock, moment);

    return (span.lo == NO_LO || (tcs_i128)span.lo * UNIT <= units) &&
           (span.hi == NO_HI || (tcs_i128)span.hi * UNIT >= units);
}

static struct tcs_host_span random_moments(const struct simulated *clock,
                                           struct seeded *random)
{
    uint64_t a = counter_at(simulated_moment(clock, random));
    uint64_t b = seeded_range(random, 0, 1)
                     ? a
                     : counter_at(simulated_moment(clock, random));

    return host_span(MIN(a, b), MAX(a, b));
}

static void test_extrapolate_truth(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct simulated clock = simulated_start(&random);
        struct tcs_host_reading r = simulated_read(&clock, &random);
        struct tcs_host_span at = random_moments(&clock, &random);
        struct tcs_ns_span value =
            tcs_host_reading_extrapolate(&r, at, clock.allowed);
        struct tcs_ns_span vague =
            tcs_host_reading_extrapolate(&r, at, TCS_RATE_SPAN_MONOTONE);

        for (int i = 0; i < 6; i++) {
            moment_t moment = moment_in(at, &random);

            PROPERTY(&random, contains_truth(value, &clock, moment));
            PROPERTY(&random, contains_truth(vague, &clock, moment));
        }
        PROPERTY(&random, vague.lo <= value.lo && vague.hi >= value.hi);
    }
}

static int compare_moment(const void *a, const void *b)
{
    uint64_t left = ((const struct tcs_host_reading *)a)->when.lo.ticks;
    uint64_t right = ((const struct tcs_host_reading *)b)->when.lo.ticks;

    return (left > right) - (left < right);
}

/* In the order they were taken, without those that overlap an earlier one. */
static size_t in_order(struct tcs_host_reading *all, size_t n)
{
    size_t kept = 0;

    qsort(all, n, sizeof(all[0]), compare_moment);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || all[i].when.lo.ticks >= all[kept - 1].when.hi.ticks) {
            all[kept++] = all[i];
        }
    }
    return kept;
}

static void test_many_truth(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct simulated clock = simulated_start(&random);
        struct tcs_host_reading all[8];
        size_t n = (size_t)seeded_range(&random, 0, G_N_ELEMENTS(all));
        struct tcs_host_span at = random_moments(&clock, &random);
        struct tcs_ns_span value;

        for (size_t i = 0; i < n; i++) {
            all[i] = simulated_read(&clock, &random);
        }
        n = in_order(all, n);
        PROPERTY(&random,
                 tcs_host_readings_at(all, n, at, clock.allowed, &value) == 0);
        PROPERTY(&random, n > 0 || (value.lo == NO_LO && value.hi == NO_HI));
        for (int i = 0; i < 6; i++) {
            PROPERTY(&random,
                     contains_truth(value, &clock, moment_in(at, &random)));
        }
        for (size_t i = 0; i < n; i++) {
            struct tcs_ns_span alone =
                tcs_host_reading_extrapolate(&all[i], at, clock.allowed);

            PROPERTY(&random, value.lo >= alone.lo && value.hi <= alone.hi);
        }
    }
}

static void test_contradiction_example(void)
{
    struct tcs_host_reading all[] = {
        reading(1000, 1010, 500, 501), reading(2000, 2010, 1000, 1001),
        reading(3000, 3010, 1600, 1601), /* 100 ns too much */
    };
    struct tcs_ns_span value = { 7, 8 };

    g_assert_cmpint(tcs_host_readings_at(all, 2, host_span(1500, 1500),
                                         rates(1, 2, 1, 2), &value),
                    ==, 0);
    assert_ns(value, 744, 752);
    value = (struct tcs_ns_span){ 7, 8 };
    g_assert_cmpint(tcs_host_readings_at(all, 3, host_span(2500, 2500),
                                         rates(1, 2, 1, 2), &value),
                    ==, -EDOM);
    assert_ns(value, 7, 8);
}

/*
 * A clock set between two readings, by more than its rate can explain: seen
 * whatever moment is asked for.
 */
static void test_contradiction(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct simulated clock = simulated_start(&random);
        struct tcs_host_reading a = simulated_read(&clock, &random);
        struct tcs_host_reading b = simulated_read(&clock, &random);
        struct tcs_ns_span possible =
            tcs_host_reading_extrapolate(&a, b.when, clock.allowed);
        struct tcs_ns_span value;
        /* Seen from `b` the other may round outward. */
        int64_t step = 3 + (int64_t)seeded_bits(&random, 60);

        if (seeded_range(&random, 0, 1)) {
            b.value.lo = possible.hi + step;
            b.value.hi = b.value.lo + 1;
        } else {
            b.value.hi = possible.lo - step;
            b.value.lo = b.value.hi - 1;
        }

        struct tcs_host_reading both[2] = { a, b };
        struct tcs_host_span at = random_moments(&clock, &random);
        /* Readings that overlap are refused before they are compared. */
        int expected = in_order(both, 2) == 2 ? -EDOM : -EINVAL;

        if (expected == -EINVAL) {
            both[0] = a;
            both[1] = b;
        }
        PROPERTY(&random, tcs_host_readings_at(both, 2, at, clock.allowed,
                                               &value) == expected);
    }
}

/* Sorted, apart by a tick at least, and the tightest of those that are not. */
static void test_tidy_examples(void)
{
    const struct tcs_rate half = { 1, 2 };
    struct tcs_host_reading all[] = {
        reading(300, 400, 7, 8), reading(0, 90, 1, 2),
        reading(90, 100, 2, 3), /* a tick in common with the one before */
        reading(340, 350, 5, 6), reading(360, 370, 5, 25),
        reading(401, 401, 9, 9),
    };

    g_assert_cmpuint(tcs_host_readings_tidy(all, G_N_ELEMENTS(all), half), ==,
                     4);
    g_assert_cmpuint(all[0].when.lo.ticks, ==, 90);
    g_assert_cmpuint(all[1].when.lo.ticks, ==, 340);
    g_assert_cmpuint(all[2].when.lo.ticks, ==, 360);
    g_assert_cmpuint(all[3].when.lo.ticks, ==, 401);
    /* 20 ns of value count as much as 40 ticks, or nothing at all. */
    all[0] = reading(0, 30, 7, 8);
    all[1] = reading(10, 20, 7, 27);
    g_assert_cmpuint(tcs_host_readings_tidy(all, 2, half), ==, 1);
    g_assert_cmpuint(all[0].when.lo.ticks, ==, 0);
    all[0] = reading(0, 30, 7, 8);
    all[1] = reading(10, 20, 7, 27);
    g_assert_cmpuint(tcs_host_readings_tidy(all, 2, (struct tcs_rate){ 1, 0 }),
                     ==, 1);
    g_assert_cmpuint(all[0].when.lo.ticks, ==, 10);
    g_assert_cmpuint(tcs_host_readings_tidy(all, 0, half), ==, 0);
}

static void test_tidy(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_host_reading all[12], tidy[12];
        size_t n = seeded_range(&random, 0, 12), kept;

        for (size_t i = 0; i < n; i++) {
            uint64_t lo = seeded_range(&random, 0, 40);

            all[i] = reading(lo, lo + seeded_range(&random, 0, 9), (int64_t)i,
                             (int64_t)i);
            tidy[i] = all[i];
        }
        kept = tcs_host_readings_tidy(tidy, n, (struct tcs_rate){ 1, 2 });
        PROPERTY(&random, (kept == 0) == (n == 0) && kept <= n);
        for (size_t i = 0; i < kept; i++) {
            PROPERTY(&random, i == 0 || tidy[i].when.lo.ticks >
                                            tidy[i - 1].when.hi.ticks);
        }
        /* What was left out met one that is no wider. */
        for (size_t j = 0; j < n; j++) {
            uint64_t width = all[j].when.hi.ticks - all[j].when.lo.ticks;
            bool is_kept = false, is_met = false;

            for (size_t i = 0; i < kept; i++) {
                is_kept |= tidy[i].value.lo == (int64_t)j;
            }
            for (size_t i = 0; i < n; i++) {
                is_met |= i != j &&
                          all[i].when.lo.ticks <= all[j].when.hi.ticks &&
                          all[i].when.hi.ticks >= all[j].when.lo.ticks &&
                          all[i].when.hi.ticks - all[i].when.lo.ticks <= width;
            }
            PROPERTY(&random, is_kept || is_met);
        }
    }
}

static void test_widen_examples(void)
{
    struct tcs_rate_span wide = tcs_rate_span_widen(rates(1, 2, 1, 2), 500);

    g_assert_cmpint(
        wide_compare_fractions(wide.lo.ns, wide.lo.ticks, 9995, 20000), ==, 0);
    g_assert_cmpint(
        wide_compare_fractions(wide.hi.ns, wide.hi.ticks, 10005, 20000), ==, 0);
    wide = tcs_rate_span_widen(rates(1, 2, 1, 2), 1000000);
    g_assert_cmpuint(wide.lo.ns, ==, 0);
    g_assert_cmpint(wide_compare_fractions(wide.hi.ns, wide.hi.ticks, 1, 1), ==,
                    0);
    wide = tcs_rate_span_widen(TCS_RATE_SPAN_MONOTONE, 500);
    g_assert_cmpuint(wide.lo.ns, ==, 0);
    g_assert_cmpuint(wide.lo.ticks, >, 0);
    g_assert_cmpuint(wide.hi.ns, >, 0);
    g_assert_cmpuint(wide.hi.ticks, ==, 0);
    /* Too steep to represent once widened: no upper end is known. */
    wide = tcs_rate_span_widen(rates(0, 1, RATE_LIMIT - 1, 1), 1);
    g_assert_cmpuint(wide.hi.ns, >, 0);
    g_assert_cmpuint(wide.hi.ticks, ==, 0);
}

/* -1, 0, 1: how `actual` compares with rate * factor / 10^6. */
static int compare_widened(struct tcs_rate actual, struct tcs_rate rate,
                           uint64_t factor)
{
    struct wide left = wide_multiply(
        wide_multiply(wide_from(actual.ns), wide_from(rate.ticks)),
        wide_from(1000000));
    struct wide right =
        wide_multiply(wide_multiply(wide_from(rate.ns), wide_from(factor)),
                      wide_from(actual.ticks));

    return wide_compare(left, right);
}

static void test_widen(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < 2 * CASES; random.case_number++) {
        uint32_t ppm = (uint32_t)seeded_range(&random, 0, 3)
                           ? (uint32_t)seeded_bits(&random, 19)
                           : (uint32_t)seeded_range(&random, 0, 1000000);
        unsigned int bits = seeded_range(&random, 0, 1) ? 62 : 40;
        /* One less than 2^62 at the most, and no 0 below. */
        struct tcs_rate_span rate = rates(
            seeded_bits(&random, bits), 1 + seeded_bits(&random, bits) / 2,
            seeded_bits(&random, bits), 1 + seeded_bits(&random, bits) / 2);
        struct tcs_rate_span wide = tcs_rate_span_widen(rate, ppm);
        int below = compare_widened(wide.lo, rate.lo, 1000000 - ppm);
        int above = compare_widened(wide.hi, rate.hi, 1000000 + ppm);

        PROPERTY(&random, wide.lo.ticks > 0 && wide.lo.ticks < RATE_LIMIT);
        PROPERTY(&random, wide.lo.ns < RATE_LIMIT && wide.hi.ns < RATE_LIMIT);
        PROPERTY(&random, wide.hi.ticks < RATE_LIMIT);
        PROPERTY(&random, wide.hi.ticks > 0 || wide.hi.ns > 0);
        PROPERTY(&random, below <= 0);
        PROPERTY(&random, above >= 0);
        /* What fits is exact. */
        PROPERTY(&random, bits > 40 || (below == 0 && above == 0));
        /* What does not fit loses next to nothing where both are large. */
        if (rate.hi.ns >> 40 && rate.hi.ticks >> 40) {
            PROPERTY(&random,
                     compare_widened(wide.hi, rate.hi, 1000001 + ppm) < 0);
        }
        if (rate.lo.ns >> 40 && rate.lo.ticks >> 40 && ppm < 900000) {
            PROPERTY(&random,
                     compare_widened(wide.lo, rate.lo, 999999 - ppm) > 0);
        }
    }
}

/* A guest's reading on the host's counter: the moment it was taken is in it. */
static void test_guest_reading(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_counter_map map;
        uint64_t truth = seeded_counter(&random);
        uint64_t before = seeded_before(&random, truth, 30);
        uint64_t after = seeded_after(&random, truth, 30);
        struct tcs_host_reading host;

        g_assert_cmpint(tcs_counter_map_init(
                            &map, seeded_range(&random, 1, (uint64_t)3 << 48),
                            48, (int64_t)seeded_counter(&random),
                            seeded_bits(&random, 10)),
                        ==, 0);
        struct tcs_guest_reading guest = {
            .before = tcs_counter_map_to_guest(
                &map, (struct tcs_host_ticks){ before }),
            .after = tcs_counter_map_to_guest(&map,
                                              (struct tcs_host_ticks){ after }),
            .value = { 5, 6 },
        };
        int ret = tcs_guest_reading_on_host(
            &map, &guest, (struct tcs_host_ticks){ truth }, &host);

        PROPERTY(&random, ret == 0);
        PROPERTY(&random, host.when.lo.ticks <= before);
        PROPERTY(&random, host.when.hi.ticks >= after);
        PROPERTY(&random, host.value.lo == 5 && host.value.hi == 6);
    }
    struct tcs_counter_map unity = { 1, 0, 0, 0 };
    struct tcs_guest_reading backward = { { 9 }, { 8 }, { 5, 6 } };
    struct tcs_host_reading host;

    g_assert_cmpint(tcs_guest_reading_on_host(
                        &unity, &backward, (struct tcs_host_ticks){ 9 }, &host),
                    ==, -EINVAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reading/clock-value", test_clock_value);
    g_test_add_func("/reading/extrapolate/examples", test_extrapolate_examples);
    g_test_add_func("/reading/extrapolate/unknown", test_extrapolate_unknown);
    g_test_add_func("/reading/extrapolate/exact", test_extrapolate_exact);
    g_test_add_func("/reading/extrapolate/truth", test_extrapolate_truth);
    g_test_add_func("/reading/many/truth", test_many_truth);
    g_test_add_func("/reading/contradiction/example",
                    test_contradiction_example);
    g_test_add_func("/reading/contradiction/random", test_contradiction);
    g_test_add_func("/reading/tidy/examples", test_tidy_examples);
    g_test_add_func("/reading/tidy/random", test_tidy);
    g_test_add_func("/reading/widen/examples", test_widen_examples);
    g_test_add_func("/reading/widen/random", test_widen);
    g_test_add_func("/reading/guest", test_guest_reading);
    return g_test_run();
}
