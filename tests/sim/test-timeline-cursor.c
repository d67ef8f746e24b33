/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cursor says what its timeline says, to the last digit: in simulated worlds,
 * at random, along the clock, and at the very ends of what it remembers. And it
 * remembers most of what a steady clock is asked.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/timeline-cursor.h"
#include "sim-clock.h"

#define CASES 200

struct sim {
    struct seeded random;
    struct sim_world world;
    struct tcs_timeline timeline;
    struct tcs_timeline_cursor cursor;
    unsigned int asked, remembered;
};

static void check_at(struct sim *sim, uint64_t lo, uint64_t hi)
{
    struct tcs_host_span at = { { lo }, { hi } };
    struct tcs_ns_span expected = { 1, 2 }, value = { 1, 2 };
    int ret = tcs_timeline_at(&sim->timeline, at, &expected);

    PROPERTY(&sim->random,
             tcs_timeline_cursor_at(&sim->cursor, at, &value) == ret);
    PROPERTY(&sim->random, value.lo == expected.lo && value.hi == expected.hi);
    sim->asked++;
    sim->remembered +=
        (int64_t)lo >= sim->cursor.at.from && (int64_t)hi <= sim->cursor.at.to;
}

static void check_when(struct sim *sim, int64_t lo, int64_t hi)
{
    struct tcs_ns_span value = { lo, hi };
    struct tcs_host_span expected = { { 1 }, { 2 } }, when = expected;
    int ret = tcs_timeline_when(&sim->timeline, value, &expected);

    PROPERTY(&sim->random,
             tcs_timeline_cursor_when(&sim->cursor, value, &when) == ret);
    PROPERTY(&sim->random, when.lo.ticks == expected.lo.ticks &&
                               when.hi.ticks == expected.hi.ticks);
    sim->asked++;
    sim->remembered += lo >= sim->cursor.when.from && hi <= sim->cursor.when.to;
}

/* Inside the last piece, at its ends and one beyond them. */
static void check_ends(struct sim *sim)
{
    struct tcs_timeline_piece at = sim->cursor.at, when = sim->cursor.when;

    for (int i = -1; i <= 1; i++) {
        for (int k = 0; k < 3 && at.from <= at.to; k++) {
            int64_t lo = at.from + i, hi = at.to + i;

            lo = MAX(lo, 0);
            check_at(sim, (uint64_t)lo, (uint64_t)(k == 1 ? hi : lo + k));
            check_at(sim, (uint64_t)MAX(hi - k, 0), (uint64_t)hi);
        }
        for (int k = 0; k < 3 && when.from <= when.to; k++) {
            check_when(sim, when.from + i,
                       k == 1 ? when.to + i : when.from + i + k);
            check_when(sim, when.to + i - k, when.to + i);
        }
    }
}

static void check_world(struct sim *sim)
{
    const struct sim_world *world = &sim->world;
    uint64_t span = world->last - world->first;

    for (int i = 0; i < 100; i++) {
        uint64_t moment =
            i % 2 ? seeded_range(&sim->random, world->first, world->last)
                  : world->first + span / 100 * (unsigned int)i;
        struct tcs_ns_span value = sim_world_value(world, moment, 0);
        uint64_t width = seeded_bits(
            &sim->random, (unsigned int)seeded_range(&sim->random, 0, 12));

        check_at(sim, moment, moment + width);
        check_when(sim, value.lo, value.lo + (int64_t)width);
        if (i % 10 == 0) {
            check_ends(sim);
        }
    }
}

static const struct sim_scenario scenarios[] = {
    { "steady", 0, .is_calm = true, .is_regular = true, .n_min = 3,
      .n_max = 40 },
    { "wander", 0, .wanders = true, .n_min = 3, .n_max = 40 },
    { "mixed", SIM_EVENTS, .wanders = true, .n_min = 3,
      .n_max = SIM_READINGS_MAX },
    { "leap", SIM_LEAP | SIM_LEAP_RATE, .wanders = true, .n_min = 3,
      .n_max = 40 },
    { "guest", SIM_EVENTS, .wanders = true, .is_guest = true, .n_min = 3,
      .n_max = 40 },
    { "overlap", 0, .overlaps = true, .n_min = 3, .n_max = 40 },
    { "few", SIM_EVENTS, .n_min = 1, .n_max = 4 },
};

static void test_same(gconstpointer data)
{
    const struct sim_scenario *scenario = data;
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        sim_world_init(&sim.world, scenario, &sim.random);
        tcs_timeline_init(&sim.timeline, sim.world.allowed);
        for (size_t i = 0; i < sim.world.n; i++) {
            PROPERTY(&sim.random,
                     tcs_timeline_add(&sim.timeline, &sim.world.readings[i]) ==
                         0);
        }
        PROPERTY(&sim.random, tcs_timeline_finish(&sim.timeline) == 0);
        tcs_timeline_cursor_init(&sim.cursor, &sim.timeline);
        check_world(&sim);
        tcs_timeline_clear(&sim.timeline);
    }
    g_test_message("%u of %u answers came from memory", sim.remembered,
                   sim.asked);
    if (scenario == &scenarios[0]) {
        g_assert_cmpuint(sim.remembered, >, sim.asked / 3);
    }
}

/* The fraction by itself, at every size and where a whole number is near. */
static void test_ratio(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < 200000; random.case_number++) {
        uint64_t num =
            seeded_bits(&random, (unsigned int)seeded_range(&random, 0, 62));
        uint64_t den =
            seeded_bits(&random, (unsigned int)seeded_range(&random, 0, 62));
        uint64_t x =
            seeded_bits(&random, (unsigned int)seeded_range(&random, 0, 64));
        struct tcs_ratio ratio = tcs_ratio_new(num, den + 1);

        if (seeded_range(&random, 0, 3) == 0) {
            x -= x % (den + 1);
        }
        PROPERTY(&random,
                 tcs_ratio_floor(&ratio, x) == (tcs_u128)x * num / (den + 1));
        PROPERTY(&random, tcs_ratio_ceil(&ratio, x) ==
                              ((tcs_u128)x * num + den) / (den + 1));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ratio", test_ratio);
    for (size_t i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *path =
            g_strdup_printf("/cursor/%s", scenarios[i].name);

        g_test_add_data_func(path, &scenarios[i], test_same);
    }
    return g_test_run();
}
