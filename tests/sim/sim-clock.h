/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated world that knows the truth: a clock as a piecewise linear
 * function of the host's counter, in exact integers, and the readings taken of
 * it. Knows nothing of what is computed from the readings.
 */
#ifndef TESTS_SIM_SIM_CLOCK_H
#define TESTS_SIM_SIM_CLOCK_H

#include <glib.h>

#include "clocksync/reading.h"
#include "seeded.h"

/* Clock values and rates are counted in units of 2^-40 ns. */
#define SIM_UNIT ((tcs_i128)1 << 40)
/*
 * Time goes on within a tick: in so many parts, of which the counter shows
 * nothing. Rates are multiples of it, so that all stays exact.
 */
#define SIM_PARTS        64
#define SIM_READINGS_MAX 48
#define SIM_PIECES_MAX   (6 * SIM_READINGS_MAX)

struct sim_piece {
    uint64_t start;
    tcs_i128 units; /* the clock at `start` */
    int64_t rate;   /* units a tick */
};

/* What may happen to a clock between two readings. */
enum sim_event {
    SIM_RATE = 1 << 0,      /* another rate from now on */
    SIM_STEP = 1 << 1,      /* set by a microsecond to milliseconds */
    SIM_STEP_RATE = 1 << 2, /* both at once */
    SIM_SLEW = 1 << 3,      /* another rate for a part of the interval */
    SIM_LONG_SLEW = 1 << 4, /* a slew that ends in the next interval */
    SIM_DECAY = 1 << 5,     /* one rate after another, in one direction */
    SIM_LEAP = 1 << 6,      /* set by seconds to hours */
    SIM_LEAP_RATE = 1 << 7, /* that and another rate */
    SIM_SUSPEND = 1 << 8,   /* stands still while the counter goes on */
    SIM_EVENTS = (1 << 9) - 1,
};

/* A scenario sets what differs. */
struct sim_scenario {
    const char *name;
    unsigned int events; /* of enum sim_event */
    bool wanders;
    bool is_regular; /* intervals of nearly one length */
    bool is_calm;    /* no preempted reading */
    bool is_guest;   /* read in a guest whose counter map changes */
    bool overlaps;   /* readings of several CPUs: brackets overlap */
    size_t n_min, n_max;
};

struct sim_world {
    const struct sim_scenario *scenario;
    uint64_t khz;
    uint32_t resolution_ns;
    struct tcs_rate_span allowed;
    /* `allowed` in units a tick, rounded inward to a multiple of SIM_PARTS */
    int64_t rate_lo, rate_hi;
    uint64_t first, last; /* the world's beginning and end */

    struct sim_piece pieces[SIM_PIECES_MAX];
    size_t n_pieces;

    size_t n;
    uint64_t moments[SIM_READINGS_MAX]; /* when each was truly taken: in this */
    unsigned int parts[SIM_READINGS_MAX]; /* tick, and so far into it */
    struct tcs_host_reading readings[SIM_READINGS_MAX];
    size_t leaps;
};

/* A random world of this scenario. */
void sim_world_init(struct sim_world *world,
                    const struct sim_scenario *scenario, struct seeded *random);

/*
 * The clock at a moment, in units: a tick from `first` to `last`, and a part of
 * it below SIM_PARTS.
 */
tcs_i128 sim_world_units(const struct sim_world *world, uint64_t moment,
                         unsigned int part);

/* At the moment when reading i was truly taken. */
tcs_i128 sim_world_reading_units(const struct sim_world *world, size_t i);

/* The least span of whole nanoseconds that contains the clock's value. */
struct tcs_ns_span sim_world_value(const struct sim_world *world,
                                   uint64_t moment, unsigned int part);

/* Whether the clock's values throughout the tick `moment` are in `span`. */
bool sim_world_is_in(const struct sim_world *world, uint64_t moment,
                     struct tcs_ns_span span);

/*
 * Whether no clock whose rate is allowed can have run from reading i to the
 * next, so that it was certainly set in between.
 */
bool sim_world_is_gap(const struct sim_world *world, size_t i);

#endif
