/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock that was read many times on both sides of a moment, against its
 * simulated truth: wander and one event are what course.h assumes, and with
 * no more than these the answer contains the clock's value.
 */
#include <glib.h>

#include "clocksync/course.h"
#include "seeded.h"

#define CASES        3000
#define READINGS_MAX 400
#define ALLOWED_PPM  500
#define WANDER_PPM   1
#define REACH_NS     20000000
/* Clock values are counted in these, and so are rates, per tick. */
#define UNIT ((tcs_i128)1 << 40)

/* One reading or the moment that is asked for. */
struct step {
    uint64_t before, moment, after;
    tcs_i128 units; /* the clock at the beginning of the tick `moment` */
    int64_t rate;   /* from then on */
};

struct world {
    struct tcs_course course;
    uint64_t khz;
    struct step steps[READINGS_MAX + 1];
    size_t n, asked; /* which of them is the moment asked for */
    struct tcs_host_reading readings[READINGS_MAX];
};

static uint64_t ticks_of(const struct world *world, uint64_t ns)
{
    return ns * world->khz / 1000000;
}

/* Any rate that is allowed, with room for the wander. */
static int64_t random_rate(const struct world *world, struct seeded *random)
{
    int64_t nominal = (int64_t)(UNIT * 1000000 / world->khz);

    return nominal + nominal / 1000000 *
                         seeded_signed(random, WANDER_PPM - ALLOWED_PPM,
                                       ALLOWED_PPM - WANDER_PPM);
}

/* Beside the moment that is asked for they are what matters. */
static uint64_t random_pause_ns(const struct world *world,
                                struct seeded *random, size_t i)
{
    bool is_beside = i == world->asked || i == world->asked + 1;

    switch (seeded_range(random, 0, is_beside ? 1 : 39)) {
    case 0:
        return seeded_range(random, 0, 10000000); /* preempted */
    case 1:
        return 0;
    default:
        return seeded_range(random, 10000, 40000);
    }
}

static void schedule(struct world *world, struct seeded *random)
{
    uint64_t now = seeded_bits(random, 60);
    uint64_t bracket_ns = seeded_range(random, 0, 1) ? 200 : 1;

    for (size_t i = 0; i < world->n; i++) {
        struct step *step = &world->steps[i];

        now += 1 + ticks_of(world, random_pause_ns(world, random, i));
        step->before = now;
        now += ticks_of(world, seeded_range(random, 0, bracket_ns));
        step->moment = now;
        now += ticks_of(world, seeded_range(random, 0, bracket_ns));
        step->after = now;
    }
}

/* Wanders from step to step, and changes its rate once or not at all. */
static void run_clock(struct world *world, struct seeded *random)
{
    size_t event = seeded_range(random, 0, 1)
                       ? world->asked + seeded_range(random, 0, 1)
                       : seeded_range(random, 0, 2 * world->n);
    int64_t rate = random_rate(world, random), half_ppm = 0;
    tcs_i128 units =
        seeded_signed(random, -1, 1) * UNIT * (tcs_i128)seeded_bits(random, 50);
    uint64_t at = world->steps[0].moment;

    for (size_t i = 0; i < world->n; i++) {
        struct step *step = &world->steps[i];

        if (i > 0) {
            units += (tcs_i128)world->steps[i - 1].rate * (step->moment - at);
        }
        if (i == event) {
            rate = random_rate(world, random);
        }
        at = step->moment;
        if (i == 0 || i + 1 == world->asked ||
            seeded_range(random, 0, 99) == 0) {
            half_ppm = seeded_signed(random, -1, 1);
        }
        step->units = units;
        step->rate = rate + rate / 2000000 * half_ppm;
    }
}

static int64_t floor_ns(tcs_i128 units)
{
    return (int64_t)tcs_floor_div(units, UNIT);
}

static void world_init(struct world *world, struct seeded *random)
{
    struct tcs_rate nominal;
    size_t kept = 0;

    world->khz = seeded_range(random, 500000, 4000000);
    nominal = (struct tcs_rate){ 1000000, world->khz };
    world->course = (struct tcs_course){
        .allowed = tcs_rate_span_widen(
            (struct tcs_rate_span){ nominal, nominal }, ALLOWED_PPM),
        .reach_ticks = ticks_of(world, REACH_NS),
        .wander_ppm = WANDER_PPM,
    };
    world->n = seeded_range(random, 1, READINGS_MAX + 1);
    world->asked = seeded_range(random, 0, world->n - 1);
    schedule(world, random);
    run_clock(world, random);
    for (size_t i = 0; i < world->n; i++) {
        const struct step *step = &world->steps[i];

        if (i != world->asked) {
            world->readings[kept++] = (struct tcs_host_reading){
                .when = { { step->before }, { step->after } },
                .value = tcs_clock_value(floor_ns(step->units), 1),
            };
        }
    }
}

static void test_truth(void)
{
    struct seeded random = seeded_start();
    static struct world world;
    unsigned int tighter = 0;

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_ns_span value, plain;
        const struct step *asked;
        struct tcs_host_span at;

        world_init(&world, &random);
        asked = &world.steps[world.asked];
        at = (struct tcs_host_span){ { asked->before }, { asked->after } };
        PROPERTY(&random, tcs_course_at(world.readings, world.n - 1, at,
                                        &world.course, &value) == 0);
        PROPERTY(&random,
                 tcs_host_readings_at(world.readings, world.n - 1, at,
                                      world.course.allowed, &plain) == 0);
        PROPERTY(&random, value.lo >= plain.lo && value.hi <= plain.hi);
        PROPERTY(&random, value.lo <= floor_ns(asked->units));
        PROPERTY(&random, value.hi >= floor_ns(asked->units));
        tighter += value.lo > plain.lo || value.hi < plain.hi;
    }
    g_test_message("%u tighter than by the allowed rates alone", tighter);
    g_assert_cmpuint(tighter, >, CASES / 4);
}

/*
 * Half a millisecond from the nearest reading on either side, each good to
 * some 50 ns: the rate is known well enough to be no worse than one of these.
 */
static void test_gap(void)
{
    struct tcs_host_reading readings[400];
    const struct tcs_rate nominal = { 1, 2 };
    const struct tcs_course course = {
        .allowed = tcs_rate_span_widen(
            (struct tcs_rate_span){ nominal, nominal }, ALLOWED_PPM),
        .reach_ticks = 2 * REACH_NS,
        .wander_ppm = WANDER_PPM,
    };
    const struct tcs_host_span at = { { 9000000 }, { 9000000 } };
    struct tcs_ns_span value, plain;

    for (uint64_t i = 0; i < 400; i++) {
        uint64_t from = i * 40000 + (i >= 200 ? 2000000 : 0);

        readings[i] = (struct tcs_host_reading){
            .when = { { from }, { from + 100 } },
            .value = tcs_clock_value((int64_t)(from + 50) / 2, 1),
        };
    }
    g_assert_cmpint(
        tcs_host_readings_at(readings, 400, at, course.allowed, &plain), ==, 0);
    g_assert_cmpint(tcs_course_at(readings, 400, at, &course, &value), ==, 0);
    g_assert_cmpint(plain.hi - plain.lo, >, 500);
    g_assert_cmpint(value.hi - value.lo, <, 80);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/course/truth", test_truth);
    g_test_add_func("/course/gap", test_gap);
    return g_test_run();
}
