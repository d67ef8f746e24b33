/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines consistent with many readings: equal to brute force over all lines
 * through two constraints, and true for simulated clocks.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/lines.h"
#include "seeded.h"
#include "wide.h"

#define BRUTE_CASES     1500
#define SIMULATED_CASES 300

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static struct tcs_host_reading reading(uint64_t before, uint64_t after,
                                       int64_t lo, int64_t hi)
{
    return (struct tcs_host_reading){ host_span(before, after), { lo, hi } };
}

static int add(struct tcs_lines *lines, uint64_t before, uint64_t after,
               int64_t lo, int64_t hi)
{
    struct tcs_host_reading r = reading(before, after, lo, hi);

    return tcs_lines_add(lines, &r);
}

static void assert_at(const struct tcs_lines *lines, uint64_t ticks, int64_t lo,
                      int64_t hi)
{
    struct tcs_ns_span value;

    g_assert_cmpint(tcs_lines_at(lines, host_span(ticks, ticks), &value), ==,
                    0);
    g_assert_cmpint(value.lo, ==, lo);
    g_assert_cmpint(value.hi, ==, hi);
}

static void assert_rate(const struct tcs_lines *lines, struct tcs_rate lo,
                        struct tcs_rate hi)
{
    struct tcs_rate_span rate = tcs_lines_rate(lines);

    g_assert_cmpint(
        wide_compare_fractions(rate.lo.ns, rate.lo.ticks, lo.ns, lo.ticks), ==,
        0);
    g_assert_cmpint(
        wide_compare_fractions(rate.hi.ns, rate.hi.ticks, hi.ns, hi.ticks), ==,
        0);
}

/* A reading of 1000 was taken from there up to 1001, and so is a question. */
static void test_examples(void)
{
    struct tcs_lines lines;
    struct tcs_ns_span value;

    tcs_lines_init(&lines, TCS_RATE_SPAN_MONOTONE);
    g_assert_cmpint(tcs_lines_at(&lines, host_span(5, 5), &value), ==, -ERANGE);
    g_assert_cmpint(add(&lines, 1000, 1000, 500, 502), ==, 0);
    assert_rate(&lines, (struct tcs_rate){ 0, 1 }, (struct tcs_rate){ 1, 0 });
    assert_at(&lines, 1000, INT64_MIN, INT64_MAX);
    assert_at(&lines, 1001, 500, INT64_MAX);
    assert_at(&lines, 999, INT64_MIN, 502);

    g_assert_cmpint(add(&lines, 1010, 1010, 505, 507), ==, 0);
    /* 505 - 502 in 11 ticks, or 507 - 500 in 9. */
    assert_rate(&lines, (struct tcs_rate){ 3, 11 }, (struct tcs_rate){ 7, 9 });
    assert_at(&lines, 1000, 499, 503);
    assert_at(&lines, 1005, 502, 505);
    assert_at(&lines, 1020, 507, 516);
    assert_at(&lines, 0, 500 - 779, 502 - 272);
    g_assert_cmpint(tcs_lines_at(&lines, host_span(1000, 1010), &value), ==, 0);
    g_assert_cmpint(value.lo, ==, 499);
    g_assert_cmpint(value.hi, ==, 508);

    tcs_lines_clear(&lines);
    g_assert_cmpint(tcs_lines_at(&lines, host_span(5, 5), &value), ==, -ERANGE);
    assert_rate(&lines, (struct tcs_rate){ 0, 1 }, (struct tcs_rate){ 1, 0 });
    tcs_lines_clear(&lines);
}

/* Nothing is assumed about where in its bracket a reading was taken. */
static void test_bracket(void)
{
    struct tcs_rate_span half = { { 1, 2 }, { 1, 2 } };
    struct tcs_lines lines;

    tcs_lines_init(&lines, half);
    g_assert_cmpint(add(&lines, 1000, 1009, 500, 501), ==, 0);
    assert_at(&lines, 1000, 495, 502);
    assert_at(&lines, 1009, 499, 506);
    tcs_lines_clear(&lines);
    /* A clock that is wide by more than its bracket allows at this rate. */
    tcs_lines_init(&lines, half);
    g_assert_cmpint(add(&lines, 1000, 1009, 500, 500), ==, 0);
    g_assert_cmpint(add(&lines, 1100, 1109, 556, 560), ==, -EDOM);
    g_assert_cmpint(add(&lines, 1100, 1109, 540, 544), ==, -EDOM);
    g_assert_cmpint(add(&lines, 1100, 1109, 555, 555), ==, 0);
    assert_at(&lines, 1000, 500, 501);
    assert_at(&lines, 1109, 554, 555);
    tcs_lines_clear(&lines);
}

static void test_errors(void)
{
    const int64_t far = (int64_t)1 << 61;
    struct tcs_lines lines;
    struct tcs_ns_span value;

    tcs_lines_init(&lines, TCS_RATE_SPAN_MONOTONE);
    g_assert_cmpint(add(&lines, 11, 10, 5, 6), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 10, 11, 7, 6), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 10, 11, INT64_MIN, 6), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 10, 11, 5, INT64_MAX), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 0, (uint64_t)far - 1, 5, 6), ==, -ERANGE);
    g_assert_cmpint(add(&lines, 0, 1, 5, far + 5), ==, -ERANGE);
    g_assert_cmpuint(lines.readings, ==, 0);

    g_assert_cmpint(add(&lines, 100, 200, 50, 60), ==, 0);
    g_assert_cmpint(add(&lines, 99, 300, 50, 60), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 150, 199, 50, 60), ==, -EINVAL);
    g_assert_cmpint(add(&lines, 100, 200, 50, 60), ==, 0);
    g_assert_cmpint(add(&lines, 300, 300, 49, 49), ==, -EDOM);
    g_assert_cmpint(add(&lines, 100 + far, 100 + far, 60, 60), ==, -ERANGE);
    g_assert_cmpint(add(&lines, 300, 300, 50 + far, 50 + far), ==, -ERANGE);
    g_assert_cmpint(add(&lines, 300, 300, 50 - far, 50 - far), ==, -ERANGE);
    g_assert_cmpuint(lines.readings, ==, 2);
    g_assert_cmpint(add(&lines, 99 + far, 99 + far, 49 + far, 49 + far), ==,
                    -ERANGE);
    g_assert_cmpint(add(&lines, 98 + far, 98 + far, 49 + far, 49 + far), ==, 0);

    g_assert_cmpint(tcs_lines_at(&lines, host_span(0, 99 + far), &value), ==,
                    -ERANGE);
    g_assert_cmpint(tcs_lines_at(&lines, host_span(0, 98 + far), &value), ==,
                    0);
    tcs_lines_clear(&lines);
}

/*
 * Brute force. Readings have coordinates of a few units; the units are scaled
 * up and moved for the code under test, so that a reference of 128 bits always
 * suffices while the code sees its largest numbers.
 */
#define READINGS_MAX 7

struct slope {
    int64_t ns, ticks; /* in units; ticks >= 0, and 0 is infinitely steep */
};

struct constraint {
    int64_t ticks, ns;
};

struct brute {
    size_t n;
    struct constraint ceiling[READINGS_MAX];
    struct constraint floor[READINGS_MAX];
    struct slope lo, hi; /* allowed */
    int64_t tick_unit, ns_unit;
    uint64_t origin;
    int64_t origin_ns;
};

static int slope_compare(struct slope a, struct slope b)
{
    int64_t left = a.ns * b.ticks, right = b.ns * a.ticks;

    return (left > right) - (left < right);
}

/* Whether some line of this slope passes between all constraints. */
static bool is_consistent(const struct brute *brute, struct slope slope)
{
    if (slope_compare(slope, brute->lo) < 0 ||
        slope_compare(slope, brute->hi) > 0) {
        return false;
    }
    for (size_t i = 0; i < brute->n; i++) {
        for (size_t j = 0; j < brute->n; j++) {
            struct constraint above = brute->ceiling[i];
            struct constraint below = brute->floor[j];

            if (slope.ns * (above.ticks - below.ticks) >
                (above.ns - below.ns) * slope.ticks) {
                return false;
            }
        }
    }
    return true;
}

/* Steeper than any line through two constraints. */
#define STEEP ((struct slope){ 1000000, 1 })

static size_t consistent_slopes(const struct brute *brute, struct slope *slopes)
{
    struct constraint all[2 * READINGS_MAX];
    size_t m = 0, n = 0;

    for (size_t i = 0; i < brute->n; i++) {
        all[m++] = brute->ceiling[i];
        all[m++] = brute->floor[i];
    }
    slopes[n++] = brute->lo;
    if (brute->hi.ticks > 0) {
        slopes[n++] = brute->hi;
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < m; j++) {
            if (all[i].ticks < all[j].ticks) {
                slopes[n++] = (struct slope){ all[j].ns - all[i].ns,
                                              all[j].ticks - all[i].ticks };
            }
        }
    }
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_consistent(brute, slopes[i])) {
            slopes[kept++] = slopes[i];
        }
    }
    return kept;
}

static tcs_i128 round_down(tcs_i128 numerator, tcs_i128 denominator)
{
    tcs_i128 rest = numerator % denominator;

    return (numerator - (rest < 0 ? rest + denominator : rest)) / denominator;
}

/*
 * The value at `ticks` (scaled, since the origin) of the line of this slope
 * through a constraint, rounded down, or up if `sign` is -1 and the caller
 * negates the result.
 */
static tcs_i128 value_through(const struct brute *brute, struct constraint at,
                              struct slope slope, int64_t ticks, int sign)
{
    tcs_i128 run = (tcs_i128)ticks - (tcs_i128)at.ticks * brute->tick_unit;
    tcs_i128 denominator = (tcs_i128)slope.ticks * brute->tick_unit;
    tcs_i128 rise = run * slope.ns * brute->ns_unit;

    return (tcs_i128)at.ns * brute->ns_unit * sign +
           round_down(rise * sign, denominator);
}

/* From the least value at the moment `from` to the greatest at `to`. */
static struct tcs_ns_span brute_at(const struct brute *brute,
                                   const struct slope *slopes, size_t n,
                                   int64_t from, int64_t to)
{
    bool is_lo_known = true, is_hi_known = true;
    tcs_i128 lo = 0, hi = 0;

    for (size_t i = 0; i < n; i++) {
        /* The lowest line of this slope touches a floor constraint. */
        tcs_i128 lowest = 0, highest = 0;

        for (size_t j = 0; j < brute->n; j++) {
            tcs_i128 below =
                value_through(brute, brute->floor[j], slopes[i], from, 1);
            tcs_i128 above =
                -value_through(brute, brute->ceiling[j], slopes[i], to, -1);

            lowest = j == 0 || below > lowest ? below : lowest;
            highest = j == 0 || above < highest ? above : highest;
        }
        lo = i == 0 || lowest < lo ? lowest : lo;
        hi = i == 0 || highest > hi ? highest : hi;
    }
    if (brute->hi.ticks == 0 && is_consistent(brute, STEEP)) {
        /* However steep, a line keeps below a constraint at its moment. */
        bool is_before = true, is_after = true;

        for (size_t j = 0; j < brute->n; j++) {
            is_before &= from < brute->floor[j].ticks * brute->tick_unit;
            is_after &= to > brute->ceiling[j].ticks * brute->tick_unit;
        }
        is_lo_known = !is_before;
        is_hi_known = !is_after;
    }
    lo += brute->origin_ns;
    hi += brute->origin_ns;
    if ((is_lo_known && lo >= INT64_MAX) || (is_hi_known && hi <= INT64_MIN)) {
        return TCS_NS_SPAN_UNKNOWN;
    }
    return (struct tcs_ns_span){
        is_lo_known && lo > INT64_MIN ? (int64_t)lo : INT64_MIN,
        is_hi_known && hi < INT64_MAX ? (int64_t)hi : INT64_MAX,
    };
}

static int64_t random_unit(struct seeded *random)
{
    return seeded_range(random, 0, 1)
               ? 1 + (int64_t)seeded_bits(random, 4)
               : (int64_t)1 << seeded_range(random, 0, 54);
}

static struct brute random_brute(struct seeded *random,
                                 struct tcs_rate_span *ret_allowed)
{
    struct brute brute = {
        .lo = { 0, 1 },
        .hi = { 1, 0 },
        .tick_unit = random_unit(random),
        .ns_unit = random_unit(random),
        .origin = seeded_counter(random),
        .origin_ns = seeded_signed(random, -(1LL << 62), 1LL << 62),
    };

    /* Moments before and after the origin are asked for. */
    brute.origin = CLAMP(brute.origin, (uint64_t)1 << 61,
                         UINT64_MAX - ((uint64_t)1 << 61));
    if (seeded_range(random, 0, 2) == 0) {
        struct slope a = { seeded_signed(random, 0, 8),
                           seeded_signed(random, 1, 8) };
        struct slope b = { seeded_signed(random, 0, 8),
                           seeded_signed(random, 1, 8) };

        brute.lo = slope_compare(a, b) < 0 ? a : b;
        brute.hi = slope_compare(a, b) < 0 ? b : a;
    }
    ret_allowed->lo = (struct tcs_rate){
        (uint64_t)(brute.lo.ns * brute.ns_unit),
        (uint64_t)(brute.lo.ticks * brute.tick_unit),
    };
    ret_allowed->hi = (struct tcs_rate){
        (uint64_t)(brute.hi.ns * brute.ns_unit),
        (uint64_t)(brute.hi.ticks * brute.tick_unit),
    };
    return brute;
}

/* The next reading in units, some way along a clock with noise. */
static void random_constraints(const struct brute *brute, struct seeded *random,
                               struct constraint *ret_above,
                               struct constraint *ret_below)
{
    if (brute->n == 0) {
        /* The first reading is the origin: (before, lo) is (0, 0). */
        *ret_above = (struct constraint){ 0, seeded_signed(random, 0, 6) };
        *ret_below = (struct constraint){ seeded_signed(random, 1, 4), 0 };
        return;
    }
    struct constraint above = brute->ceiling[brute->n - 1];
    struct constraint below = brute->floor[brute->n - 1];
    int64_t before = above.ticks + seeded_signed(random, 0, 5);
    int64_t after = MAX(before + 1, below.ticks) + seeded_signed(random, 0, 4);
    int64_t lo = below.ns + seeded_signed(random, -2, 6);
    int64_t hi = lo + seeded_signed(random, 0, 6);
    int64_t hi_again = above.ns + seeded_signed(random, -2, 4);

    *ret_above = (struct constraint){ before, MAX(hi, hi_again) };
    *ret_below = (struct constraint){ after, lo };
}

static struct tcs_host_reading scaled_reading(const struct brute *brute,
                                              struct constraint above,
                                              struct constraint below)
{
    return reading(brute->origin + (uint64_t)(above.ticks * brute->tick_unit),
                   /* Which lasts until the constraint's moment. */
                   brute->origin + (uint64_t)(below.ticks * brute->tick_unit) -
                       1,
                   (int64_t)(brute->origin_ns + below.ns * brute->ns_unit),
                   (int64_t)(brute->origin_ns + above.ns * brute->ns_unit));
}

/* Every answer of `lines` against brute force. */
static void check_brute(struct seeded *random, const struct brute *brute,
                        const struct slope *slopes, size_t n,
                        const struct tcs_lines *lines)
{
    struct slope lo = slopes[0], hi = slopes[0];
    struct tcs_rate_span rate = tcs_lines_rate(lines);
    int64_t last = brute->floor[brute->n - 1].ticks;

    for (size_t i = 1; i < n; i++) {
        lo = slope_compare(slopes[i], lo) < 0 ? slopes[i] : lo;
        hi = slope_compare(slopes[i], hi) > 0 ? slopes[i] : hi;
    }
    if (brute->hi.ticks == 0 && is_consistent(brute, STEEP)) {
        hi = brute->hi;
    }
    PROPERTY(random,
             wide_compare_fractions(
                 rate.lo.ns, rate.lo.ticks, (uint64_t)(lo.ns * brute->ns_unit),
                 (uint64_t)(lo.ticks * brute->tick_unit)) == 0);
    PROPERTY(random,
             wide_compare_fractions(
                 rate.hi.ns, rate.hi.ticks, (uint64_t)(hi.ns * brute->ns_unit),
                 (uint64_t)(hi.ticks * brute->tick_unit)) == 0);

    for (int64_t unit = -6; unit <= last + 6; unit++) {
        int64_t from = unit * brute->tick_unit;
        /* One moment; or up to some other, on a unit or not. */
        int64_t to = from + seeded_signed(random, 0, 1) *
                                seeded_signed(random, 0, 2 * brute->tick_unit);

        /* A single moment that is not on a unit. */
        if (seeded_range(random, 0, 2) == 0) {
            from = to;
        }
        struct tcs_ns_span wanted = brute_at(brute, slopes, n, from, to + 1);
        struct tcs_ns_span actual;
        int ret = tcs_lines_at(lines,
                               host_span(brute->origin + (uint64_t)from,
                                         brute->origin + (uint64_t)to),
                               &actual);

        PROPERTY(random, ret == 0);
        PROPERTY(random, actual.lo == wanted.lo && actual.hi == wanted.hi);
    }
}

static void test_brute_force(void)
{
    struct seeded random = seeded_start();
    unsigned int refused = 0, accepted = 0;

    for (; random.case_number < BRUTE_CASES; random.case_number++) {
        struct tcs_rate_span allowed;
        struct brute brute = random_brute(&random, &allowed);
        struct slope slopes[4 * READINGS_MAX * READINGS_MAX + 2];
        struct tcs_lines lines;
        size_t tries = READINGS_MAX;

        tcs_lines_init(&lines, allowed);
        while (tries-- > 0 && brute.n < READINGS_MAX) {
            struct constraint above, below;

            random_constraints(&brute, &random, &above, &below);

            struct tcs_host_reading r = scaled_reading(&brute, above, below);
            int ret = tcs_lines_add(&lines, &r);

            brute.ceiling[brute.n] = above;
            brute.floor[brute.n] = below;
            brute.n++;
            size_t n = consistent_slopes(&brute, slopes);

            PROPERTY(&random, ret == (n > 0 ? 0 : -EDOM));
            if (n == 0) {
                /* Refused: the set is as it was without it. */
                brute.n--;
                n = consistent_slopes(&brute, slopes);
                refused++;
            } else {
                accepted++;
            }
            PROPERTY(&random, lines.readings == brute.n);
            if (brute.n > 0) {
                check_brute(&random, &brute, slopes, n, &lines);
            }
        }
        tcs_lines_clear(&lines);
    }
    g_assert_cmpuint(refused, >, BRUTE_CASES / 10);
    g_assert_cmpuint(accepted, >, BRUTE_CASES);
}

/*
 * A clock with one rate for ever: rate_ns / rate_ticks ns a tick. A moment is a
 * number of parts of a tick, of which the counter shows the whole ones; the
 * clock's value is kept in units of 1 / (PARTS * rate_ticks) ns.
 */
#define PARTS 64

struct simulated {
    uint64_t start;
    int64_t start_ns;
    uint64_t rate_ns, rate_ticks;
    struct tcs_rate_span allowed;
};

static struct simulated random_clock(struct seeded *random)
{
    struct simulated clock = {
        .start = seeded_counter(random) >> 1,
        .start_ns = seeded_signed(random, -(1LL << 60), 1LL << 60),
        .rate_ticks = 2000000 + seeded_bits(random, 20),
    };

    /* Around half a nanosecond a tick, or anything up to 1000. */
    clock.rate_ns = seeded_range(random, 0, 1)
                        ? 1000000 + seeded_bits(random, 10)
                        : seeded_bits(random, 30);
    if (seeded_range(random, 0, 2) == 0) {
        clock.allowed = TCS_RATE_SPAN_MONOTONE;
    } else {
        struct tcs_rate rate = { clock.rate_ns, clock.rate_ticks };

        clock.allowed =
            tcs_rate_span_widen((struct tcs_rate_span){ rate, rate },
                                (uint32_t)seeded_bits(random, 10));
    }
    return clock;
}

static tcs_i128 units_at(const struct simulated *clock, uint64_t ticks,
                         unsigned int part)
{
    return (tcs_i128)clock->start_ns * clock->rate_ticks * PARTS +
           (((tcs_i128)ticks - clock->start) * PARTS + part) * clock->rate_ns;
}

/* Whether the clock's values throughout a tick are in `span`. */
static bool contains_truth(const struct simulated *clock,
                           struct tcs_ns_span span, uint64_t ticks)
{
    tcs_i128 first = units_at(clock, ticks, 0);
    tcs_i128 last = units_at(clock, ticks, PARTS - 1);
    tcs_i128 unit = (tcs_i128)clock->rate_ticks * PARTS;

    return (span.lo == INT64_MIN || span.lo * unit <= first) &&
           (span.hi == INT64_MAX || span.hi * unit >= last);
}

/*
 * A bracket around some moment of the tick `ticks`; its ends do not go back
 * behind *previous.
 */
static struct tcs_host_reading read_clock(const struct simulated *clock,
                                          struct seeded *random, uint64_t ticks,
                                          unsigned int width_bits,
                                          const struct tcs_host_span *previous)
{
    uint64_t before = seeded_before(random, ticks, width_bits);
    uint64_t after = seeded_after(random, ticks, width_bits);
    unsigned int part = seeded_range(random, 0, 2) * (PARTS - 1) / 2;
    tcs_i128 unit = (tcs_i128)clock->rate_ticks * PARTS;
    int64_t shown = (int64_t)round_down(units_at(clock, ticks, part), unit);

    return (struct tcs_host_reading){
        .when = host_span(MAX(before, previous->lo.ticks),
                          MAX(after, previous->hi.ticks)),
        .value = tcs_clock_value(shown, 1),
    };
}

static void test_simulated(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < SIMULATED_CASES; random.case_number++) {
        struct simulated clock = random_clock(&random);
        unsigned int step_bits = (unsigned int)seeded_range(&random, 4, 46);
        unsigned int width_bits = (unsigned int)seeded_range(&random, 0, 16);
        struct tcs_host_span when = { { 0 }, { 0 } };
        uint64_t ticks = clock.start;
        struct tcs_lines lines;

        tcs_lines_init(&lines, clock.allowed);
        for (int i = 0; i < 100; i++) {
            struct tcs_host_reading r =
                read_clock(&clock, &random, ticks, width_bits, &when);
            struct tcs_ns_span value;

            when = r.when;
            PROPERTY(&random, tcs_lines_add(&lines, &r) == 0);
            for (int j = 0; j < 4; j++) {
                uint64_t length = ticks - clock.start + 1000;
                uint64_t moment = clock.start - MIN(clock.start, length) +
                                  seeded_range(&random, 0, 3 * length);

                PROPERTY(&random,
                         tcs_lines_at(&lines, host_span(moment, moment),
                                      &value) == 0);
                PROPERTY(&random, contains_truth(&clock, value, moment));
            }

            struct tcs_rate_span rate = tcs_lines_rate(&lines);

            PROPERTY(&random, wide_compare_fractions(rate.lo.ns, rate.lo.ticks,
                                                     clock.rate_ns,
                                                     clock.rate_ticks) <= 0);
            PROPERTY(&random, wide_compare_fractions(rate.hi.ns, rate.hi.ticks,
                                                     clock.rate_ns,
                                                     clock.rate_ticks) >= 0);
            PROPERTY(&random,
                     wide_compare_fractions(rate.lo.ns, rate.lo.ticks,
                                            clock.allowed.lo.ns,
                                            clock.allowed.lo.ticks) >= 0);
            PROPERTY(&random,
                     wide_compare_fractions(rate.hi.ns, rate.hi.ticks,
                                            clock.allowed.hi.ns,
                                            clock.allowed.hi.ticks) <= 0);
            ticks += seeded_bits(&random, step_bits);
        }
        tcs_lines_clear(&lines);
    }
}

/* A stepped clock is refused, and the set answers as if it had not been asked.
 */
static void test_contradiction(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < SIMULATED_CASES; random.case_number++) {
        struct simulated clock = random_clock(&random);
        struct tcs_host_span when = { { 0 }, { 0 } };
        uint64_t ticks = clock.start;
        struct tcs_ns_span before[8], after;
        uint64_t moments[G_N_ELEMENTS(before)];
        struct tcs_lines lines;

        tcs_lines_init(&lines, clock.allowed);
        for (int i = 0; i < 30; i++) {
            struct tcs_host_reading r =
                read_clock(&clock, &random, ticks, 10, &when);

            when = r.when;
            PROPERTY(&random, tcs_lines_add(&lines, &r) == 0);
            ticks += 1 + seeded_bits(&random, 30);
        }
        struct tcs_rate_span rate = tcs_lines_rate(&lines);

        for (size_t i = 0; i < G_N_ELEMENTS(before); i++) {
            moments[i] = clock.start +
                         seeded_range(&random, 0, 2 * (ticks - clock.start));
            g_assert_cmpint(tcs_lines_at(&lines,
                                         host_span(moments[i], moments[i]),
                                         &before[i]),
                            ==, 0);
        }

        /* One nanosecond outside what the lines allow is a contradiction. */
        struct tcs_host_reading good =
            read_clock(&clock, &random, ticks, 10, &when);
        struct tcs_host_reading bad = good;
        struct tcs_ns_span possible;

        g_assert_cmpint(tcs_lines_at(&lines, good.when, &possible), ==, 0);
        if (possible.hi < INT64_MAX - 1 && seeded_range(&random, 0, 1)) {
            bad.value = tcs_clock_value(possible.hi + 1, 1);
        } else {
            bad.value =
                (struct tcs_ns_span){ possible.lo - 2, possible.lo - 1 };
        }
        PROPERTY(&random, tcs_lines_add(&lines, &bad) == -EDOM);
        PROPERTY(&random, lines.readings == 30);

        struct tcs_rate_span same = tcs_lines_rate(&lines);

        PROPERTY(&random, same.lo.ns == rate.lo.ns &&
                              same.lo.ticks == rate.lo.ticks &&
                              same.hi.ns == rate.hi.ns &&
                              same.hi.ticks == rate.hi.ticks);
        for (size_t i = 0; i < G_N_ELEMENTS(before); i++) {
            g_assert_cmpint(
                tcs_lines_at(&lines, host_span(moments[i], moments[i]), &after),
                ==, 0);
            PROPERTY(&random,
                     after.lo == before[i].lo && after.hi == before[i].hi);
        }
        PROPERTY(&random, tcs_lines_add(&lines, &good) == 0);
        tcs_lines_clear(&lines);
    }
}

/* Two readings give a rate outside the allowed one. */
static void test_wrong_rate(void)
{
    struct tcs_rate half = { 1, 2 };
    struct tcs_lines lines;

    tcs_lines_init(
        &lines, tcs_rate_span_widen((struct tcs_rate_span){ half, half }, 100));
    g_assert_cmpint(add(&lines, 0, 10, 0, 1), ==, 0);
    /* 200 ppm fast shows as soon as that is more than the brackets. */
    g_assert_cmpint(add(&lines, 10000, 10010, 5001, 5002), ==, 0);
    g_assert_cmpint(add(&lines, 10000000, 10000010, 5001000, 5001001), ==,
                    -EDOM);
    g_assert_cmpint(add(&lines, 10000000, 10000010, 4999000, 4999001), ==,
                    -EDOM);
    g_assert_cmpint(add(&lines, 10000000, 10000010, 5000100, 5000101), ==, 0);
    tcs_lines_clear(&lines);
}

/* As many readings as a long recording has; the time limit is the test's. */
static void test_many(void)
{
    struct seeded random = seeded_start();
    struct simulated clock = {
        .start = (uint64_t)1 << 40,
        .start_ns = 1700000000000000000,
        .rate_ns = 1000000,
        .rate_ticks = 2096005,
        .allowed = TCS_RATE_SPAN_MONOTONE,
    };
    struct tcs_host_span when = { { 0 }, { 0 } };
    uint64_t ticks = clock.start;
    struct tcs_lines lines;
    struct tcs_ns_span value;

    tcs_lines_init(&lines, clock.allowed);
    for (; random.case_number < 100000; random.case_number++) {
        struct tcs_host_reading r =
            read_clock(&clock, &random, ticks, 12, &when);

        when = r.when;
        PROPERTY(&random, tcs_lines_add(&lines, &r) == 0);
        ticks += 1 + seeded_bits(&random, 24);
    }
    g_assert_cmpuint(lines.readings, ==, 100000);
    g_test_message("hulls of %zu and %zu points", lines.ceiling.n,
                   lines.floor.n);
    PROPERTY(&random, lines.ceiling.n < 200 && lines.floor.n < 200);
    for (int i = 0; i < 10000; i++) {
        uint64_t moment = seeded_range(&random, clock.start, ticks);

        g_assert_cmpint(tcs_lines_at(&lines, host_span(moment, moment), &value),
                        ==, 0);
        PROPERTY(&random, contains_truth(&clock, value, moment));
        /* Many readings tell more than the bracket of one. */
        PROPERTY(&random, value.hi - value.lo < 1000);
    }
    tcs_lines_clear(&lines);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lines/examples", test_examples);
    g_test_add_func("/lines/bracket", test_bracket);
    g_test_add_func("/lines/errors", test_errors);
    g_test_add_func("/lines/brute-force", test_brute_force);
    g_test_add_func("/lines/simulated", test_simulated);
    g_test_add_func("/lines/contradiction", test_contradiction);
    g_test_add_func("/lines/wrong-rate", test_wrong_rate);
    g_test_add_func("/lines/many", test_many);
    return g_test_run();
}
