/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's epochs against a simulated vCPU: reset, migrated, set and set back,
 * unplugged; read exactly or within a bound. What is said of its counter is
 * true always, and is said wherever two reads enclose it.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/counter-epochs.h"
#include "seeded.h"

#define CASES     1500
#define READS_MAX 30

/* From `start` on the vCPU's counter is this. */
struct piece {
    uint64_t start;
    struct tcs_counter_map map;
};

struct world {
    struct piece pieces[3 * READS_MAX];
    size_t n_pieces;
    struct tcs_host_span reads[READS_MAX];
    uint64_t bounds[READS_MAX];
    /* Between read i and the next one nothing happened. */
    bool is_quiet[READS_MAX];
    size_t n;
    uint64_t first, last;
    struct tcs_counter_epochs epochs;
};

static const struct tcs_counter_map *map_at(const struct world *world,
                                            uint64_t host)
{
    size_t i = world->n_pieces - 1;

    while (i > 0 && world->pieces[i].start > host) {
        i--;
    }
    return &world->pieces[i].map;
}

static uint64_t guest_at(const struct world *world, uint64_t host)
{
    return tcs_counter_map_to_guest(map_at(world, host),
                                    (struct tcs_host_ticks){ host })
        .ticks;
}

static struct tcs_counter_map random_map(struct seeded *random)
{
    unsigned int shift = seeded_range(random, 0, 1) ? 32 : 48;
    uint64_t one = (uint64_t)1 << shift;
    uint64_t multiplier = seeded_range(random, 0, 1)
                              ? one
                              : seeded_range(random, one / 4, one * 4);
    struct tcs_counter_map map;

    /* Near each other or anywhere, so that values repeat or wrap. */
    g_assert_cmpint(tcs_counter_map_init(&map, multiplier, shift,
                                         seeded_range(random, 0, 1)
                                             ? -(int64_t)seeded_bits(random, 40)
                                             : (int64_t)seeded_counter(random),
                                         0),
                    ==, 0);
    return map;
}

static void change(struct world *world, uint64_t start,
                   struct tcs_counter_map map)
{
    world->pieces[world->n_pieces++] = (struct piece){ start, map };
}

/* Reads the mapping that is in force, as well as its bound says. */
static void read_map(struct world *world, struct seeded *random, size_t i,
                     bool changed)
{
    struct tcs_counter_map map = *map_at(world, world->reads[i].lo.ticks);
    int64_t bound = (int64_t)world->bounds[i];

    map.offset_bound = world->bounds[i];
    map.offset = (int64_t)((uint64_t)map.offset +
                           (uint64_t)seeded_signed(random, -bound, bound));
    PROPERTY(random, tcs_counter_epochs_read(&world->epochs, world->reads[i],
                                             &map, changed) == 0);
}

static void world_init(struct world *world, struct seeded *random)
{
    unsigned int gap_bits = (unsigned int)seeded_range(random, 6, 40);
    unsigned int bound_bits = seeded_range(random, 0, 1)
                                  ? 0
                                  : (unsigned int)seeded_range(random, 1, 12);
    uint64_t now = seeded_counter(random) >> 2;
    bool changed = false;

    *world =
        (struct world){ .first = now, .n = seeded_range(random, 1, READS_MAX) };
    change(world, 0, random_map(random));
    if (seeded_range(random, 0, 3) == 0) {
        /* It was not there at first, and then came as it is now. */
        tcs_counter_epochs_interrupt(&world->epochs);
        world->pieces[0].map.offset ^= 1 << 20;
        change(world, now, random_map(random));
        world->first = seeded_before(random, now, gap_bits);
    }
    for (size_t i = 0; i < world->n; i++) {
        uint64_t quiet_end, lo;

        lo = now + 1 + seeded_bits(random, gap_bits);
        world->reads[i] =
            (struct tcs_host_span){ { lo }, { lo + seeded_bits(random, 10) } };
        world->bounds[i] = seeded_bits(random, bound_bits);
        read_map(world, random, i, changed);
        now = world->reads[i].hi.ticks;
        changed = false;
        world->is_quiet[i] = true;
        quiet_end = now + seeded_bits(random, gap_bits);
        switch (seeded_range(random, 0, 8)) {
        case 0: /* to another mapping */
            change(world, quiet_end + 1, random_map(random));
            /* Which may differ by too little to be seen: then it is told. */
            changed = bound_bits > 0 || seeded_range(random, 0, 1);
            world->is_quiet[i] = false;
            now = quiet_end + 1;
            break;
        case 1: /* and back */
            change(world, quiet_end + 1, random_map(random));
            now = quiet_end + 2 + seeded_bits(random, gap_bits);
            change(world, now, world->pieces[world->n_pieces - 2].map);
            changed = true;
            world->is_quiet[i] = false;
            break;
        case 2: /* gone, or not stable, for a while */
            tcs_counter_epochs_interrupt(&world->epochs);
            change(world, quiet_end + 1, random_map(random));
            now = quiet_end + 2 + seeded_bits(random, gap_bits);
            change(world, now, world->pieces[world->n_pieces - 2].map);
            world->is_quiet[i] = false;
            break;
        case 3: /* to another one while the bracket was still open */
            if (world->reads[i].lo.ticks < world->reads[i].hi.ticks) {
                change(world, lo + 1 + seeded_range(random, 0, now - lo - 1),
                       random_map(random));
                changed = true;
                world->is_quiet[i] = false;
            }
            break;
        default:
            break;
        }
    }
    world->last = now + seeded_bits(random, gap_bits);
    if (world->n_pieces > 1 && !world->epochs.is_interrupted &&
        world->pieces[world->n_pieces - 1].start >
            world->reads[world->n - 1].lo.ticks) {
        /* What happened after the last read was noticed. */
        tcs_counter_epochs_interrupt(&world->epochs);
    }
    PROPERTY(random, tcs_counter_epochs_finish(&world->epochs) == 0);
}

/* The read before a moment that two reads of one mapping enclose, or -1. */
static int enclosing(const struct world *world, uint64_t host)
{
    for (size_t i = 0; i + 1 < world->n; i++) {
        if (world->is_quiet[i] && host >= world->reads[i].hi.ticks &&
            host <= world->reads[i + 1].lo.ticks) {
            return (int)i;
        }
    }
    return -1;
}

static void check_moment(struct world *world, struct seeded *random,
                         uint64_t host)
{
    struct tcs_host_span at = { { host }, { host } }, when;
    struct tcs_guest_ticks lo, hi;
    uint64_t truth = guest_at(world, host);
    int i = enclosing(world, host);
    int ret = tcs_counter_epochs_at(&world->epochs, at, &lo, &hi);

    PROPERTY(random, ret == 0 || ret == -ENODATA);
    PROPERTY(random, ret == 0 || i < 0);
    if (ret == 0) {
        PROPERTY(random, truth - lo.ticks <= hi.ticks - lo.ticks);
    }
    if (i >= 0) {
        /* No wider than the better of the two reads, but for rounding. */
        uint64_t bound = MIN(world->bounds[i], world->bounds[i + 1]);

        PROPERTY(random, hi.ticks - lo.ticks <= 2 * bound + 1);
    }
    ret = tcs_counter_epochs_when(&world->epochs,
                                  (struct tcs_guest_ticks){ truth }, &when);
    PROPERTY(random, ret == 0 || ret == -ENODATA || ret == -ENOTUNIQ);
    if (i >= 0 && ret == 0) {
        PROPERTY(random, when.lo.ticks <= host && when.hi.ticks >= host);
    }
    if (i >= 0 && ret == -ENODATA) {
        /* Only where it may have been beyond the epoch's end. */
        PROPERTY(random,
                 world->bounds[i] + world->bounds[i + 1] > 0 ||
                     map_at(world, host)->multiplier >> 32 <
                         (uint64_t)1 << (map_at(world, host)->shift - 32));
    }
}

static void test_random(void)
{
    struct seeded random = seeded_start();
    unsigned int known = 0;

    for (; random.case_number < CASES; random.case_number++) {
        struct world world;

        world_init(&world, &random);
        for (int k = 0; k < 60; k++) {
            size_t i = seeded_range(&random, 0, world.n - 1);
            const struct tcs_host_span *at = &world.reads[i];
            uint64_t edge =
                seeded_range(&random, 0, 1) ? at->lo.ticks : at->hi.ticks;
            uint64_t host = seeded_range(&random, 0, 1)
                                ? seeded_range(&random, world.first, world.last)
                                : edge + seeded_range(&random, 0, 2) - 1;

            check_moment(&world, &random, host);
            known += enclosing(&world, host) >= 0;
        }
        tcs_counter_epochs_clear(&world.epochs);
    }
    g_assert_cmpuint(known, >, 10 * CASES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/counter-epochs/random", test_random);
    return g_test_run();
}
