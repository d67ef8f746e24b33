/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A counter's line from bounds in any order: equal to brute force over all
 * lines through two of them, its inverse exact, and blind to where on the
 * counters it all happens.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/exchange.h"
#include "seeded.h"

#define BRUTE_CASES 2000
#define BOUNDS_MAX  6
#define HOST_END    40 /* small worlds have host values below */

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static int add(struct tcs_counter_line *line, uint64_t h_lo, uint64_t h_hi,
               uint64_t g_ceiling, uint64_t g_floor)
{
    return tcs_counter_line_add(line, (struct tcs_host_ticks){ h_lo },
                                (struct tcs_host_ticks){ h_hi },
                                (struct tcs_guest_ticks){ g_ceiling },
                                (struct tcs_guest_ticks){ g_floor });
}

static int add_probe(struct tcs_counter_line *line, uint64_t h1, uint64_t g_rx,
                     uint64_t g_tx, uint64_t h4)
{
    struct tcs_probe probe = { { h1 }, { g_rx }, { g_tx }, { h4 } };

    return tcs_counter_line_add_probe(line, &probe);
}

static void assert_at(const struct tcs_counter_line *line, uint64_t host,
                      uint64_t lo, uint64_t hi)
{
    struct tcs_guest_span guest;

    g_assert_cmpint(tcs_counter_line_at(line, host_span(host, host), &guest),
                    ==, 0);
    g_assert_cmpuint(guest.lo.ticks, ==, lo);
    g_assert_cmpuint(guest.hi.ticks, ==, hi);
}

static int when(const struct tcs_counter_line *line, uint64_t first,
                uint64_t last, struct tcs_host_span *ret_when)
{
    return tcs_counter_line_when(line, (struct tcs_guest_ticks){ first },
                                 (struct tcs_guest_ticks){ last }, ret_when);
}

static void assert_when(const struct tcs_counter_line *line, uint64_t guest,
                        uint64_t lo, uint64_t hi)
{
    struct tcs_host_span host;

    g_assert_cmpint(when(line, guest, guest, &host), ==, 0);
    g_assert_cmpuint(host.lo.ticks, ==, lo);
    g_assert_cmpuint(host.hi.ticks, ==, hi);
}

static const struct tcs_rate_span one_to_one = { { 1, 1 }, { 1, 1 } };

static void test_examples(void)
{
    struct tcs_counter_line line;
    struct tcs_rate_span rate;

    /* At one rate: the offset is what one exchange leaves open, and a tick of
     * either counter. */
    tcs_counter_line_init(&line, one_to_one);
    g_assert_cmpint(add_probe(&line, 100, 1030, 1070, 200), ==, 0);
    /* line(100) < 1031, line(201) >= 1070 */
    assert_at(&line, 100, 969, 1031);
    assert_at(&line, 200, 1069, 1131);
    assert_when(&line, 1069, 138, 200);
    /* The tightest of each way counts. */
    g_assert_cmpint(add_probe(&line, 300, 1210, 1250, 400), ==, 0);
    assert_at(&line, 100, 969, 1011);
    g_assert_cmpint(add_probe(&line, 500, 1430, 1400, 510), ==, -EINVAL);
    g_assert_cmpint(add_probe(&line, 500, 1400, 1400, 510), ==, 0);
    assert_at(&line, 100, 989, 1001);
    tcs_counter_line_clear(&line);

    /* Nothing lost between: the tick itself, both counters' phases apart. */
    g_assert_cmpint(add_probe(&line, 7, 7, 7, 7), ==, 0);
    assert_at(&line, 7, 6, 8);
    assert_when(&line, 7, 6, 8);
    tcs_counter_line_clear(&line);

    /* At an unknown rate, two exchanges make one. */
    tcs_counter_line_init(&line, TCS_RATE_SPAN_MONOTONE);
    g_assert_cmpint(add_probe(&line, 1000, 500, 500, 1009), ==, 0);
    rate = tcs_counter_line_rate(&line);
    g_assert_true(rate.lo.ns == 0 && rate.hi.ticks == 0);
    g_assert_cmpint(add_probe(&line, 2000, 1000, 1000, 2009), ==, 0);
    rate = tcs_counter_line_rate(&line);
    /* From (1000, 501) to (2010, 1000), and from (1010, 500) to (2000, 1001) */
    g_assert_cmpuint(rate.lo.ns * 1010, ==, rate.lo.ticks * 499);
    g_assert_cmpuint(rate.hi.ns * 990, ==, rate.hi.ticks * 501);
    tcs_counter_line_clear(&line);
}

/* What cannot be told is said so, and why. */
static void test_errors(void)
{
    const uint64_t far = (uint64_t)1 << 61;
    struct tcs_counter_line line;
    struct tcs_guest_span guest;
    struct tcs_host_span host;

    tcs_counter_line_init(&line, TCS_RATE_SPAN_MONOTONE);
    g_assert_cmpint(tcs_counter_line_at(&line, host_span(5, 5), &guest), ==,
                    -ENODATA);
    g_assert_cmpint(when(&line, 5, 5, &host), ==, -ENODATA);
    g_assert_cmpint(add_probe(&line, 6, 5, 5, 5), ==, -EINVAL);
    g_assert_cmpint(add_probe(&line, 5, 6, 5, 6), ==, -EINVAL);
    g_assert_cmpint(add(&line, 5, UINT64_MAX, 5, 5), ==, -ERANGE);
    g_assert_cmpint(add(&line, 5, far + 5, 5, 5), ==, -ERANGE);
    g_assert_cmpint(add(&line, 5, 6, far + 5, 5), ==, -ERANGE);

    g_assert_cmpint(add_probe(&line, 1000, 1000, 1000, 1010), ==, 0);
    /* One moment tells no rate. */
    g_assert_cmpint(tcs_counter_line_at(&line, host_span(2000, 2000), &guest),
                    ==, -ENODATA);
    g_assert_cmpint(tcs_counter_line_at(&line, host_span(0, 0), &guest), ==,
                    -ENODATA);
    g_assert_cmpint(when(&line, 1000, 1000, &host), ==, -ENODATA);
    g_assert_cmpint(add_probe(&line, 2000, 2000, 2000, 2010), ==, 0);
    g_assert_cmpint(
        tcs_counter_line_at(&line, host_span(far + 2000, far + 2000), &guest),
        ==, -ERANGE);
    g_assert_cmpint(
        tcs_counter_line_at(&line, host_span(5, UINT64_MAX), &guest), ==,
        -ERANGE);
    g_assert_cmpint(when(&line, 1001, 1000, &host), ==, -EINVAL);
    g_assert_cmpint(when(&line, 1000, far + 1000, &host), ==, -ERANGE);
    /* Longer ago than the host's counter goes back. */
    g_assert_cmpint(when(&line, (uint64_t)-5000, (uint64_t)-5000, &host), ==,
                    -ERANGE);
    /* But it may have been at its very beginning. */
    g_assert_cmpint(when(&line, (uint64_t)-5000, 1500, &host), ==, 0);
    g_assert_cmpuint(host.lo.ticks, ==, 0);

    /* A contradiction is not added. */
    assert_at(&line, 2000, 1989, 2002);
    g_assert_cmpint(add_probe(&line, 3000, 3500, 3500, 3010), ==, -EDOM);
    g_assert_cmpint(add_probe(&line, 1500, 1400, 1400, 1510), ==, -EDOM);
    assert_at(&line, 2000, 1989, 2002);
    g_assert_cmpint(add_probe(&line, 3000, 3000, 3000, 3010), ==, 0);
    tcs_counter_line_clear(&line);

    /* The end of the host's counter is one too. */
    tcs_counter_line_init(&line, one_to_one);
    g_assert_cmpint(add_probe(&line, UINT64_MAX - 10, 5, 5, UINT64_MAX - 10),
                    ==, 0);
    g_assert_cmpint(when(&line, 5, 5000, &host), ==, 0);
    g_assert_cmpuint(host.lo.ticks, ==, UINT64_MAX - 11);
    g_assert_cmpuint(host.hi.ticks, ==, UINT64_MAX);
    tcs_counter_line_clear(&line);
}

/* A bound as the reference sees it: line(x) <= y, or >= y. */
struct bound {
    int64_t x, y;
    bool is_ceiling;
};

struct world {
    struct bound bounds[2 * BOUNDS_MAX];
    size_t n;
    struct tcs_rate_span allowed; /* small numbers; hi may be unknown */
};

/* A line through (x, y) that rises by rise / run; run > 0. */
struct line {
    int64_t x, y, rise, run;
};

/* Its value at `x` as a multiple of 1 / run. */
static int64_t value_at(struct line line, int64_t x)
{
    return line.y * line.run + line.rise * (x - line.x);
}

static bool is_allowed(const struct world *world, struct line line)
{
    struct tcs_rate lo = world->allowed.lo, hi = world->allowed.hi;

    if (line.rise * (int64_t)lo.ticks < (int64_t)lo.ns * line.run ||
        (hi.ticks != 0 &&
         line.rise * (int64_t)hi.ticks > (int64_t)hi.ns * line.run)) {
        return false;
    }
    for (size_t i = 0; i < world->n; i++) {
        int64_t beyond =
            value_at(line, world->bounds[i].x) - world->bounds[i].y * line.run;

        if (world->bounds[i].is_ceiling ? beyond > 0 : beyond < 0) {
            return false;
        }
    }
    return true;
}

/*
 * Every line on two bounds, or on one with an extreme rate: the extreme value
 * anywhere is one of theirs, if there is one.
 */
static size_t corner_lines(const struct world *world, struct line *ret_lines)
{
    size_t n = 0;

    for (size_t i = 0; i < world->n; i++) {
        const struct bound *a = &world->bounds[i];
        struct line candidates[2 * BOUNDS_MAX + 2];
        size_t m = 0;

        candidates[m++] =
            (struct line){ a->x, a->y, (int64_t)world->allowed.lo.ns,
                           (int64_t)world->allowed.lo.ticks };
        if (world->allowed.hi.ticks != 0) {
            candidates[m++] =
                (struct line){ a->x, a->y, (int64_t)world->allowed.hi.ns,
                               (int64_t)world->allowed.hi.ticks };
        }
        for (size_t j = 0; j < world->n; j++) {
            const struct bound *b = &world->bounds[j];

            if (b->x > a->x) {
                candidates[m++] =
                    (struct line){ a->x, a->y, b->y - a->y, b->x - a->x };
            }
        }
        for (size_t j = 0; j < m; j++) {
            if (is_allowed(world, candidates[j])) {
                ret_lines[n++] = candidates[j];
            }
        }
    }
    return n;
}

/*
 * Whether lines may be as steep as they like, and thus reach anything at `x`:
 * all turn about a point after the last ceiling and before the first floor.
 */
static bool is_boundless(const struct world *world, int64_t x, bool upward)
{
    int64_t last_ceiling = INT64_MIN, first_floor = INT64_MAX;

    for (size_t i = 0; i < world->n; i++) {
        const struct bound *bound = &world->bounds[i];

        if (bound->is_ceiling) {
            last_ceiling = MAX(last_ceiling, bound->x);
        } else {
            first_floor = MIN(first_floor, bound->x);
        }
    }
    return world->allowed.hi.ticks == 0 && last_ceiling <= first_floor &&
           (upward ? x > last_ceiling : x < first_floor);
}

/* What tcs_counter_line_at() should say; false for -ENODATA. */
static bool brute_at(const struct world *world, int64_t host, int64_t *ret_lo,
                     int64_t *ret_hi)
{
    struct line lines[4 * BOUNDS_MAX * (BOUNDS_MAX + 1)];
    size_t n = corner_lines(world, lines);

    if (is_boundless(world, host, false) ||
        is_boundless(world, host + 1, true)) {
        return false;
    }
    g_assert_cmpuint(n, >, 0);
    *ret_lo = INT64_MAX;
    *ret_hi = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        *ret_lo = MIN(*ret_lo, (int64_t)tcs_floor_div(value_at(lines[i], host),
                                                      lines[i].run));
        *ret_hi = MAX(*ret_hi, (int64_t)tcs_ceil_div(
                                   value_at(lines[i], host + 1), lines[i].run));
    }
    *ret_hi -= 1;
    return true;
}

static struct tcs_rate_span random_rates(struct seeded *random)
{
    struct tcs_rate_span rates = TCS_RATE_SPAN_MONOTONE;

    switch (seeded_range(random, 0, 3)) {
    case 0:
        break;
    case 1:
        rates.lo = (struct tcs_rate){ 1, 3 };
        break;
    case 2:
        rates = (struct tcs_rate_span){ { 1, 2 }, { 2, 1 } };
        break;
    default:
        rates.lo = (struct tcs_rate){ seeded_range(random, 0, 5), 3 };
        rates.hi = rates.lo;
        break;
    }
    return rates;
}

/* Where a small world lies on the counters. */
struct place {
    uint64_t host, guest;
};

static struct place random_place(struct seeded *random)
{
    uint64_t host = seeded_counter(random);

    return (struct place){
        .host = MIN(MAX(host, 200), UINT64_MAX - 200),
        .guest = seeded_counter(random),
    };
}

static bool add_random(struct seeded *random, struct world *world,
                       struct place place, struct tcs_counter_line *line)
{
    int64_t h_lo = seeded_signed(random, 0, HOST_END - 1);
    int64_t h_hi = seeded_signed(random, 0, HOST_END - 1);
    /* About one to one, so that many are consistent. */
    int64_t g_ceiling = h_lo + seeded_signed(random, -4, 12);
    int64_t g_floor = h_hi - seeded_signed(random, -4, 12);
    struct world more = *world;
    struct line lines[4 * BOUNDS_MAX * (BOUNDS_MAX + 1)];

    more.bounds[more.n++] = (struct bound){ h_lo, g_ceiling + 1, true };
    more.bounds[more.n++] = (struct bound){ h_hi + 1, g_floor, false };

    bool is_good = corner_lines(&more, lines) > 0;
    int ret =
        add(line, place.host + (uint64_t)h_lo, place.host + (uint64_t)h_hi,
            place.guest + (uint64_t)g_ceiling, place.guest + (uint64_t)g_floor);

    PROPERTY(random, ret == (is_good ? 0 : -EDOM));
    if (is_good) {
        *world = more;
    }
    return is_good;
}

static void check_at(struct seeded *random, const struct world *world,
                     struct place place, const struct tcs_counter_line *line)
{
    for (int64_t host = -20; host < HOST_END + 20; host++) {
        uint64_t at = place.host + (uint64_t)host;
        struct tcs_guest_span guest;
        int64_t lo, hi;
        int ret = tcs_counter_line_at(line, host_span(at, at), &guest);

        if (!brute_at(world, host, &lo, &hi)) {
            PROPERTY(random, ret == -ENODATA);
            continue;
        }
        PROPERTY(random, ret == 0);
        PROPERTY(random, guest.lo.ticks == place.guest + (uint64_t)lo);
        PROPERTY(random, guest.hi.ticks == place.guest + (uint64_t)hi);
    }
}

/* Whether the counter may show one of `first` to `last` at `at`. */
static bool may_show(const struct tcs_counter_line *line, uint64_t at,
                     uint64_t first, uint64_t last, bool *ret_is_told)
{
    struct tcs_guest_span guest;
    int ret = tcs_counter_line_at(line, host_span(at, at), &guest);

    *ret_is_told = ret == 0;
    return ret == 0 && (int64_t)(guest.hi.ticks - first) >= 0 &&
           (int64_t)(last - guest.lo.ticks) >= 0;
}

/* The ends are the last that may show it, and the next ones may not. */
static void check_when(struct seeded *random, struct place place,
                       const struct tcs_counter_line *line)
{
    for (int64_t steps = -10; steps < HOST_END + 10; steps++) {
        uint64_t first = place.guest + (uint64_t)steps;
        uint64_t last = first + seeded_range(random, 0, 5);
        struct tcs_host_span host;
        int ret = when(line, first, last, &host);
        bool is_told;

        if (ret < 0) {
            /* Not known, or before or after the host's counter. */
            PROPERTY(random, ret == -ENODATA || ret == -ERANGE);
            PROPERTY(random,
                     ret == -ERANGE || tcs_counter_line_rate(line).lo.ns == 0);
            continue;
        }
        PROPERTY(random, host.lo.ticks <= host.hi.ticks);
        if (host.lo.ticks > 0) {
            PROPERTY(random,
                     may_show(line, host.lo.ticks, first, last, &is_told) ||
                         !is_told);
            PROPERTY(random,
                     !may_show(line, host.lo.ticks - 1, first, last, &is_told));
        }
        if (host.hi.ticks < UINT64_MAX) {
            PROPERTY(random,
                     may_show(line, host.hi.ticks, first, last, &is_told) ||
                         !is_told);
            PROPERTY(random,
                     !may_show(line, host.hi.ticks + 1, first, last, &is_told));
        }
    }
}

static void test_brute_force(void)
{
    struct seeded random = seeded_start();
    unsigned int contradictions = 0;

    for (; random.case_number < BRUTE_CASES; random.case_number++) {
        struct world world = { .allowed = random_rates(&random) };
        struct place place = random_place(&random);
        struct tcs_counter_line line;
        size_t n = seeded_range(&random, 1, BOUNDS_MAX);

        tcs_counter_line_init(&line, world.allowed);
        for (size_t i = 0; i < n; i++) {
            contradictions += !add_random(&random, &world, place, &line);
        }
        if (world.n > 0) {
            check_at(&random, &world, place, &line);
            check_when(&random, place, &line);
        }
        tcs_counter_line_clear(&line);
    }
    g_test_message("%u contradictions", contradictions);
    g_assert_cmpuint(contradictions, >, BRUTE_CASES / 20);
}

/* Many bounds in two orders, everywhere on the counters: the same answers. */
static void test_any_order(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < 200; random.case_number++) {
        struct tcs_counter_line lines[2];
        struct place place = random_place(&random);
        uint64_t run = 1 + seeded_bits(&random, 40);
        uint64_t h[64], d[64][2];
        const size_t n = G_N_ELEMENTS(h);

        place.host = MIN(place.host, UINT64_MAX - run - ((uint64_t)1 << 22));
        for (size_t i = 0; i < n; i++) {
            h[i] = seeded_range(&random, 0, run);
            d[i][0] = seeded_bits(&random, 20);
            d[i][1] = seeded_bits(&random, 20);
        }
        for (int k = 0; k < 2; k++) {
            tcs_counter_line_init(&lines[k], TCS_RATE_SPAN_MONOTONE);
            for (size_t i = 0; i < n; i++) {
                size_t j = k == 0 ? i : (37 * i + 11) % n;

                PROPERTY(&random,
                         add_probe(&lines[k], place.host + h[j],
                                   place.guest + h[j] + d[j][0],
                                   place.guest + h[j] + d[j][0],
                                   place.host + h[j] + d[j][0] + d[j][1]) == 0);
            }
        }
        for (int i = 0; i < 20; i++) {
            uint64_t at = place.host + seeded_range(&random, 0, run);
            struct tcs_guest_span guest[2];
            struct tcs_host_span host[2];

            for (int k = 0; k < 2; k++) {
                int ret = tcs_counter_line_at(&lines[k], host_span(at, at),
                                              &guest[k]);

                /* Near the ends nothing may bound it. */
                PROPERTY(&random, ret == 0 || ret == -ENODATA);
                if (ret < 0) {
                    guest[k] = (struct tcs_guest_span){ { 1 }, { 0 } };
                }
                ret = when(&lines[k], at - place.host + place.guest,
                           at - place.host + place.guest, &host[k]);
                if (ret < 0) {
                    host[k] = host_span(0, UINT64_MAX);
                }
                PROPERTY(&random,
                         host[k].lo.ticks <= at && host[k].hi.ticks >= at);
            }
            PROPERTY(&random, guest[0].lo.ticks == guest[1].lo.ticks &&
                                  guest[0].hi.ticks == guest[1].hi.ticks);
            PROPERTY(&random, host[0].lo.ticks == host[1].lo.ticks &&
                                  host[0].hi.ticks == host[1].hi.ticks);
        }
        for (int k = 0; k < 2; k++) {
            tcs_counter_line_clear(&lines[k]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/exchange/examples", test_examples);
    g_test_add_func("/exchange/errors", test_errors);
    g_test_add_func("/exchange/brute-force", test_brute_force);
    g_test_add_func("/exchange/any-order", test_any_order);
    return g_test_run();
}
