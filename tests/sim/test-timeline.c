/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock's timeline against simulated clocks whose truth is known: what it
 * says contains the truth always, it says nothing only where nothing can be
 * known, and of a steady clock it says as much as can be said.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "clocksync/timeline.h"
#include "sim-clock.h"

#define CASES 400

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

struct sim {
    struct seeded random;
    struct sim_world world;
    struct tcs_timeline timeline;
    unsigned int answers, gaps, ambiguous;
};

/* Whether a moment of `at` may lie between readings that a gap parts. */
static bool touches_gap(const struct sim_world *world, struct tcs_host_span at)
{
    for (size_t i = 0; i + 1 < world->n; i++) {
        if (at.hi.ticks >= world->readings[i].when.lo.ticks &&
            at.lo.ticks <= world->readings[i + 1].when.hi.ticks &&
            sim_world_is_gap(world, i)) {
            return true;
        }
    }
    return false;
}

/* A moment where something may go wrong, or any. */
static uint64_t random_moment(struct sim *sim)
{
    const struct sim_world *world = &sim->world;
    struct seeded *random = &sim->random;
    size_t i = seeded_range(random, 0, world->n - 1);
    const struct tcs_host_span *when = &world->readings[i].when;
    uint64_t moment;

    switch (seeded_range(random, 0, 5)) {
    case 0:
        moment = world->moments[i] + seeded_range(random, 0, 2) - 1;
        break;
    case 1:
        moment = seeded_range(random, when->lo.ticks, when->hi.ticks);
        break;
    case 2:
        /* Just before the clock changed its course, or at that moment. */
        moment =
            world->pieces[seeded_range(random, 0, world->n_pieces - 1)].start -
            seeded_range(random, 0, 1);
        break;
    case 3:
        moment = seeded_range(random, world->moments[i],
                              i + 1 < world->n ? world->moments[i + 1]
                                               : world->last);
        break;
    case 4:
        moment = world->moments[i] + (uint64_t)seeded_signed(random, -1, 1) *
                                         seeded_bits(random, 24);
        break;
    default:
        moment = seeded_range(random, world->first, world->last);
        break;
    }
    /* One less than 0 is not before the world. */
    return moment < world->first || moment > world->last ? world->first
                                                         : moment;
}

/* The answer for one moment; false where there is none, and rightly so. */
static bool check_moment(struct sim *sim, uint64_t moment,
                         struct tcs_ns_span *ret_value)
{
    struct tcs_host_span at = host_span(moment, moment);
    int ret = tcs_timeline_at(&sim->timeline, at, ret_value);

    PROPERTY(&sim->random, ret == 0 || ret == -ENODATA);
    if (ret == -ENODATA) {
        PROPERTY(&sim->random, touches_gap(&sim->world, at));
        sim->gaps++;
        return false;
    }
    PROPERTY(&sim->random, sim_world_is_in(&sim->world, moment, *ret_value));
    sim->answers++;
    return true;
}

/* A span contains what is true, and what is said of each of its moments. */
static void check_span(struct sim *sim)
{
    const struct sim_world *world = &sim->world;
    uint64_t a = random_moment(sim), b = random_moment(sim);
    struct tcs_host_span at = host_span(MIN(a, b), MAX(a, b));
    struct tcs_ns_span value, part;
    int ret = tcs_timeline_at(&sim->timeline, at, &value);

    PROPERTY(&sim->random, ret == 0 || ret == -ENODATA);
    if (ret == -ENODATA) {
        PROPERTY(&sim->random, touches_gap(world, at));
        return;
    }
    for (size_t i = 0; i < world->n_pieces; i++) {
        uint64_t start = world->pieces[i].start;

        if (start > at.lo.ticks && start <= at.hi.ticks) {
            PROPERTY(&sim->random, sim_world_is_in(world, start, value));
            PROPERTY(&sim->random, sim_world_is_in(world, start - 1, value));
        }
    }
    for (int i = 0; i < 4; i++) {
        uint64_t moment =
            i < 2 ? (i ? at.hi.ticks : at.lo.ticks)
                  : seeded_range(&sim->random, at.lo.ticks, at.hi.ticks);

        PROPERTY(&sim->random, check_moment(sim, moment, &part));
        PROPERTY(&sim->random, part.lo >= value.lo && part.hi <= value.hi);
        PROPERTY(&sim->random, sim_world_is_in(world, moment, value));
    }
}

/*
 * Whether a clock that is set only in gaps may have shown `value` on both
 * sides of a gap, or in it as well. Each stretch between two gaps is granted
 * the values it had, and as much as a clock can move in the gaps beside it.
 */
static bool is_ambiguous(const struct sim_world *world,
                         struct tcs_ns_span value)
{
    const tcs_i128 unknown = (tcs_i128)1 << 110;
    /* Moments are rounded to a tick. */
    tcs_i128 slack = world->rate_hi;
    unsigned int stretches = 0;

    for (size_t i = 0; i < world->n; i++) {
        const struct tcs_host_span *when = &world->readings[i].when;
        tcs_i128 ticks = when->hi.ticks - when->lo.ticks + 2;

        slack = MAX(slack, ticks * world->rate_hi);
        if (i + 1 < world->n && !sim_world_is_gap(world, i)) {
            /* It may have been set within what is allowed of its rate. */
            ticks = world->readings[i + 1].when.hi.ticks - when->lo.ticks;
            slack = MAX(slack, ticks * (world->rate_hi - world->rate_lo));
        }
    }
    slack = 3 * (slack + (world->resolution_ns + 1) * SIM_UNIT);
    for (size_t i = 0; i < world->n;) {
        tcs_i128 lo =
            i == 0 ? -unknown
                   : (tcs_i128)(world->moments[i] - world->moments[i - 1]) *
                         -world->rate_hi;
        tcs_i128 least = unknown, most = -unknown, hi;

        lo += sim_world_reading_units(world, i);
        do {
            tcs_i128 units = sim_world_reading_units(world, i);

            least = MIN(least, units);
            most = MAX(most, units);
            i++;
        } while (i < world->n && !sim_world_is_gap(world, i - 1));
        hi = i == world->n
                 ? unknown
                 : (tcs_i128)(world->moments[i] - world->moments[i - 1]) *
                       world->rate_hi;
        hi += sim_world_reading_units(world, i - 1);
        lo = MIN(lo, least) - slack;
        hi = MAX(hi, most) + slack;
        stretches += value.lo * SIM_UNIT <= hi && value.hi * SIM_UNIT >= lo;
    }
    return stretches > 1;
}

/*
 * When the clock showed what it truly showed at `moment`. Is that not told,
 * then `moment` is in a gap, or the same was shown elsewhere.
 */
static void check_when(struct sim *sim, uint64_t moment)
{
    const struct sim_world *world = &sim->world;
    unsigned int part =
        (unsigned int)seeded_range(&sim->random, 0, 2) * (SIM_PARTS - 1) / 2;
    struct tcs_ns_span value = sim_world_value(world, moment, part), again;
    struct tcs_host_span when;

    if (seeded_range(&sim->random, 0, 3) == 0) {
        value.lo -= (int64_t)seeded_bits(&sim->random, 24);
        value.hi += (int64_t)seeded_bits(&sim->random, 24);
    }
    int ret = tcs_timeline_when(&sim->timeline, value, &when);

    switch (ret) {
    case 0:
        PROPERTY(&sim->random, when.lo.ticks <= moment);
        PROPERTY(&sim->random, when.hi.ticks >= moment);
        if (tcs_timeline_at(&sim->timeline, when, &again) == 0) {
            PROPERTY(&sim->random, sim_world_is_in(world, moment, again));
        }
        break;
    case -ENODATA:
        PROPERTY(&sim->random, touches_gap(world, host_span(moment, moment)));
        break;
    case -ENOTUNIQ:
        PROPERTY(&sim->random, is_ambiguous(world, value));
        sim->ambiguous++;
        break;
    default:
        PROPERTY(&sim->random, ret == 0);
    }
}

/* Any value possible at a moment leads back to that moment. */
static void check_back(struct sim *sim, uint64_t moment,
                       struct tcs_ns_span possible)
{
    struct tcs_host_span when;

    if (!tcs_ns_span_is_bounded(possible)) {
        return;
    }
    int64_t any = seeded_signed(&sim->random, possible.lo, possible.hi);
    /* Rounded outward it may be 1 ns beyond what was possible. */
    struct tcs_ns_span value = { any - 1, any + 1 };
    int ret = tcs_timeline_when(&sim->timeline, value, &when);

    if (ret == -ENOTUNIQ) {
        PROPERTY(&sim->random, is_ambiguous(&sim->world, value));
        return;
    }
    PROPERTY(&sim->random, ret == 0);
    PROPERTY(&sim->random, when.lo.ticks <= moment && when.hi.ticks >= moment);
}

static void check_world(struct sim *sim)
{
    size_t gaps = 0;

    for (size_t i = 0; i + 1 < sim->world.n; i++) {
        gaps += sim_world_is_gap(&sim->world, i);
    }
    /* A small step may hide in the brackets; one of seconds cannot. */
    PROPERTY(&sim->random, tcs_timeline_gaps(&sim->timeline) <= gaps);
    PROPERTY(&sim->random,
             tcs_timeline_gaps(&sim->timeline) >= sim->world.leaps);
    for (int i = 0; i < 60; i++) {
        uint64_t moment = random_moment(sim);
        struct tcs_ns_span value;

        if (check_moment(sim, moment, &value)) {
            check_back(sim, moment, value);
        }
        check_when(sim, moment);
        check_span(sim);
    }
}

/* Forgets those readings that the timeline does not use. */
static void keep_used(struct sim *sim)
{
    struct sim_world *world = &sim->world;
    size_t kept = 0;

    for (size_t i = 0; i < world->n && kept < sim->timeline.n; i++) {
        if (memcmp(&world->readings[i], &sim->timeline.readings[kept],
                   sizeof(world->readings[i])) == 0) {
            world->readings[kept] = world->readings[i];
            world->moments[kept] = world->moments[i];
            world->parts[kept] = world->parts[i];
            kept++;
        }
    }
    PROPERTY(&sim->random, kept == sim->timeline.n);
    PROPERTY(&sim->random, kept + sim->timeline.dropped == world->n);
    PROPERTY(&sim->random, kept == world->n || world->scenario->overlaps);
    world->n = kept;
}

static void sim_begin(struct sim *sim, const struct sim_scenario *scenario)
{
    struct sim_world *world = &sim->world;
    size_t first;

    sim_world_init(world, scenario, &sim->random);
    tcs_timeline_init(&sim->timeline, world->allowed);
    /* In any order. */
    first = seeded_range(&sim->random, 0, world->n - 1);
    for (size_t i = 0; i < world->n; i++) {
        PROPERTY(&sim->random,
                 tcs_timeline_add(&sim->timeline,
                                  &world->readings[(first + i) % world->n]) ==
                     0);
    }
    PROPERTY(&sim->random, tcs_timeline_finish(&sim->timeline) == 0);
    keep_used(sim);
}

static const struct sim_scenario scenarios[] = {
    { "steady", 0, .n_min = 3, .n_max = 40 },
    { "wander", 0, .wanders = true, .n_min = 3, .n_max = 40 },
    { "rate", SIM_RATE, .wanders = true, .n_min = 3, .n_max = 40 },
    { "decay", SIM_DECAY, .wanders = true, .n_min = 3, .n_max = 40 },
    { "slew", SIM_SLEW | SIM_LONG_SLEW, .wanders = true, .n_min = 3,
      .n_max = 40 },
    { "step", SIM_STEP | SIM_STEP_RATE, .wanders = true, .n_min = 3,
      .n_max = 40 },
    { "leap", SIM_LEAP | SIM_LEAP_RATE, .wanders = true, .n_min = 3,
      .n_max = 40 },
    { "mixed", SIM_EVENTS, .wanders = true, .n_min = 3,
      .n_max = SIM_READINGS_MAX },
    { "regular", SIM_EVENTS, .wanders = true, .is_regular = true,
      .is_calm = true, .n_min = 3, .n_max = 40 },
    { "guest", SIM_EVENTS, .wanders = true, .is_guest = true, .n_min = 3,
      .n_max = 40 },
    { "suspend", SIM_SUSPEND, .wanders = true, .n_min = 3, .n_max = 40 },
    { "overlap", 0, .overlaps = true, .n_min = 3, .n_max = 40 },
    { "few", SIM_EVENTS, .n_min = 3, .n_max = 6 },
    { "two", SIM_EVENTS, .n_min = 2, .n_max = 2 },
    { "one", SIM_RATE, .n_min = 1, .n_max = 1 },
};

static void test_truth(gconstpointer data)
{
    const struct sim_scenario *scenario = data;
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        sim_begin(&sim, scenario);
        check_world(&sim);
        tcs_timeline_clear(&sim.timeline);
    }
    g_test_message("%u answers, %u in gaps, %u not unique", sim.answers,
                   sim.gaps, sim.ambiguous);
    g_assert_cmpuint(sim.answers, >, 20 * CASES);
}

/* Nanoseconds in `ticks`, rounded up. */
static int64_t ns_in(const struct sim_world *world, uint64_t ticks)
{
    return (int64_t)tcs_ceil_div((tcs_i128)ticks * world->rate_hi, SIM_UNIT);
}

/* What one reading alone leaves open. */
static int64_t vague_ns(const struct sim_world *world, size_t i)
{
    const struct tcs_host_reading *r = &world->readings[i];

    /* Taken at any moment of its last tick, and asked for any of one tick. */
    return r->value.hi - r->value.lo +
           ns_in(world, r->when.hi.ticks - r->when.lo.ticks + 2);
}

/*
 * The best for a steady clock in interval i whose rate were known: it may have
 * wandered, or have been set by what looks like it, just after one reading or
 * just before the next, which leaves 2 * wander * interval at the worst; and
 * one reading may err upward and the other one downward.
 */
static int64_t best_ns(const struct sim_world *world, size_t i)
{
    const struct tcs_host_reading *r = &world->readings[i];
    tcs_i128 run = r[1].when.hi.ticks - r[0].when.lo.ticks;

    return ns_in(world,
                 (uint64_t)tcs_ceil_div(2 * run * TCS_WANDER_PPM, 1000000)) +
           vague_ns(world, i) + vague_ns(world, i + 1) + 4;
}

/*
 * And as its rate is not known: the rate comes from the neighbours, as vague as
 * the two readings of one, upward and downward, stretched from its length to
 * that of the interval.
 */
static int64_t rate_ns(const struct sim_world *world, size_t i)
{
    const struct tcs_host_reading *r = &world->readings[i];
    tcs_i128 run = r[1].when.hi.ticks - r[0].when.lo.ticks, most = 0;

    for (size_t j = i - 1; j <= i + 1; j += 2) {
        const struct tcs_host_reading *n = &world->readings[j];
        tcs_i128 length = n[1].when.lo.ticks - n[0].when.hi.ticks - 1;
        tcs_i128 vague = vague_ns(world, j) + vague_ns(world, j + 1);

        /* Readings that touch tell no rate. */
        most = length == 0 ? run * world->rate_hi
                           : MAX(most, tcs_ceil_div(vague * run, length));
    }
    return (int64_t)MIN(2 * most, (tcs_i128)1 << 61);
}

/* Not within a bracket, in an interval that has two neighbours. */
static uint64_t inner_moment(struct sim *sim, size_t *ret_i)
{
    const struct sim_world *world = &sim->world;
    uint64_t first, last;

    do {
        *ret_i = seeded_range(&sim->random, 1, world->n - 3);
        first = world->readings[*ret_i].when.hi.ticks + 1;
        last = world->readings[*ret_i + 1].when.lo.ticks - 1;
    } while (first > last);
    return seeded_range(&sim->random, first, last);
}

/*
 * A steady clock is known as well as its readings allow. Where they are all
 * alike and regular that is 4 times the best: with v for what the vaguest of
 * the four readings leaves open the best is 2 v + wander, and the rate adds
 * 2 * 2 v, stretched by at most 9 / 8.
 */
static void test_width(gconstpointer data)
{
    const struct sim_scenario *scenario = data;
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        const struct sim_world *world = &sim.world;

        sim_begin(&sim, scenario);
        for (int k = 0; k < 100; k++) {
            size_t i;
            uint64_t moment = inner_moment(&sim, &i);
            struct tcs_ns_span value;
            int64_t best = best_ns(world, i), vaguest = 0;

            PROPERTY(&sim.random, check_moment(&sim, moment, &value));
            PROPERTY(&sim.random, tcs_ns_span_is_bounded(value));
            PROPERTY(&sim.random,
                     value.hi - value.lo <= best + rate_ns(world, i));
            for (size_t j = i - 1; j <= i + 2; j++) {
                vaguest = MAX(vaguest, vague_ns(world, j));
            }
            best += 2 * vaguest - vague_ns(world, i) - vague_ns(world, i + 1);
            PROPERTY(&sim.random,
                     !scenario->is_regular || value.hi - value.lo <= 4 * best);
        }
        tcs_timeline_clear(&sim.timeline);
    }
}

int main(int argc, char **argv)
{
    static const struct sim_scenario any = { "any", .n_min = 4, .n_max = 20 };
    static const struct sim_scenario regular = {
        "regular", .is_regular = true, .is_calm = true, .n_min = 4, .n_max = 20,
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *path =
            g_strdup_printf("/sim/timeline/%s", scenarios[i].name);

        g_test_add_data_func(path, &scenarios[i], test_truth);
    }
    g_test_add_data_func("/sim/timeline/width/any", &any, test_width);
    g_test_add_data_func("/sim/timeline/width/regular", &regular, test_width);
    return g_test_run();
}
