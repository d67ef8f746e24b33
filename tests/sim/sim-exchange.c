/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See sim-exchange.h. First the whole course of the probes is laid out in fine
 * time, then the counters are chosen, then read.
 */
#include "sim-exchange.h"

#define TICK ((int64_t)1 << SIM_FINE_BITS)

static uint64_t guest_in(const struct sim_exchange *world,
                         const struct sim_guest_piece *piece, int64_t fine)
{
    tcs_i128 value;

    if (world->is_scaled) {
        value = (tcs_i128)(((tcs_u128)sim_exchange_host(world, fine) *
                            piece->rate) >>
                           SIM_RATE_BITS);
    } else {
        value = ((tcs_i128)fine * piece->rate +
                 ((tcs_i128)world->guest_phase << SIM_FINE_BITS)) >>
                (SIM_FINE_BITS + SIM_RATE_BITS);
    }
    return (uint64_t)value + piece->offset;
}

uint64_t sim_exchange_host(const struct sim_exchange *world, int64_t fine)
{
    return world->host_start + (uint64_t)(fine >> SIM_FINE_BITS);
}

uint64_t sim_exchange_guest(const struct sim_exchange *world, int64_t fine)
{
    size_t i = world->n_pieces > 1 && fine >= world->pieces[1].start;

    return guest_in(world, &world->pieces[i], fine);
}

uint64_t sim_exchange_guest_ticks(const struct sim_exchange *world,
                                  uint64_t host_ticks)
{
    uint64_t rate = world->pieces[0].rate;

    if (world->n_pieces > 1) {
        rate = MAX(rate, world->pieces[1].rate);
    }
    return (uint64_t)tcs_ceil_div((tcs_i128)host_ticks * rate,
                                  (tcs_i128)1 << SIM_RATE_BITS);
}

/* What a message takes, in fine time. */
static int64_t delay(const struct sim_exchange_scenario *scenario,
                     struct seeded *random, int64_t least)
{
    int64_t extra = seeded_signed(random, 0, least);

    if (scenario->is_heavy) {
        /* Twice as long is half as frequent, up to a million times. */
        uint64_t coins = seeded_u64(random);

        for (int i = 0; i < 20 && (coins >> i & 1); i++) {
            extra *= 2;
        }
    }
    return least + extra;
}

static void lay_out(struct sim_exchange *world, struct seeded *random)
{
    const struct sim_exchange_scenario *scenario = world->scenario;
    int64_t least_out = (int64_t)seeded_bits(random, 18) * TICK / 4 + 1;
    int64_t least_back = scenario->is_asymmetric
                             ? (int64_t)seeded_bits(random, 18) * TICK / 4 + 1
                             : least_out;
    int64_t pause = (int64_t)seeded_bits(random, 22) * TICK + 1;
    int64_t now = 0, arrived = 0, answered = 0, returned = 0;
    size_t n = seeded_range(random, scenario->n_min,
                            MIN(scenario->n_max, (size_t)SIM_PROBES_MAX));

    for (size_t i = 0; i < n; i++) {
        struct sim_exchange_probe *probe = &world->probes[world->n];
        int64_t sent = now;
        /* Not in MAX(), which would draw another delay than it has compared. */
        int64_t out = delay(scenario, random, least_out), back;

        /* A stream keeps its order. */
        arrived = MAX(arrived, sent + out);
        answered = MAX(answered, arrived) + (int64_t)seeded_bits(random, 30);
        if (scenario->is_preempted && seeded_range(random, 0, 3) == 0) {
            answered += (int64_t)seeded_bits(random, 24) * TICK;
        }
        back = delay(scenario, random, least_back);
        returned = MAX(returned, answered + back);
        now = (scenario->is_pipelined ? sent : returned) +
              seeded_signed(random, 0, pause);
        if (scenario->is_lossy && seeded_range(random, 0, 2) == 0) {
            continue;
        }
        *probe = (struct sim_exchange_probe){
            .sent = sent,
            .received = returned,
            .out = (uint64_t)((arrived - sent) / TICK) + 1,
            .back = (uint64_t)((returned - answered) / TICK) + 1,
            /* For now where in fine time: see read_stamps(). */
            .stamps.guest_receive.ticks = (uint64_t)arrived,
            .stamps.guest_transmit.ticks = (uint64_t)answered,
        };
        world->n++;
    }
    world->end = returned;
}

static uint64_t random_rate(struct seeded *random)
{
    const uint64_t one = (uint64_t)1 << SIM_RATE_BITS;

    switch (seeded_range(random, 0, 3)) {
    case 0:
        return one;
    case 1:
        /* Two crystals. */
        return one + (uint64_t)seeded_signed(random, -1, 1) *
                         seeded_range(random, 0, one / 10000);
    default:
        return seeded_range(random, one / 8, 8 * one);
    }
}

static void choose_counters(struct sim_exchange *world, struct seeded *random)
{
    uint64_t run = (uint64_t)(world->end >> SIM_FINE_BITS) + 2;
    uint64_t start = seeded_counter(random);
    struct sim_guest_piece *pieces = world->pieces;

    world->is_scaled = seeded_range(random, 0, 1);
    /* Room for moments before and after. */
    world->host_start = MIN(MAX(start, run), UINT64_MAX - 2 * run);
    world->guest_phase = seeded_range(random, 0, ((uint64_t)1 << 32) - 1);
    pieces[0] = (struct sim_guest_piece){
        .rate = random_rate(random),
        .offset = seeded_counter(random),
    };
    world->n_pieces = 1;
    if (world->scenario->change == SIM_STEADY) {
        return;
    }
    world->n_pieces = 2;
    pieces[1] = pieces[0];
    pieces[1].start =
        seeded_signed(random, world->end / 4, world->end - world->end / 4);
    if (world->scenario->change == SIM_OTHER_RATE) {
        pieces[1].rate = random_rate(random);
        /* It goes on from where it was. */
        pieces[1].offset += guest_in(world, &pieces[0], pieces[1].start) -
                            guest_in(world, &pieces[1], pieces[1].start);
    } else {
        world->jump = seeded_bits(random, 44);
        pieces[1].offset +=
            seeded_range(random, 0, 1) ? world->jump : -world->jump;
    }
}

static void read_stamps(struct sim_exchange *world)
{
    for (size_t i = 0; i < world->n; i++) {
        struct sim_exchange_probe *probe = &world->probes[i];
        struct tcs_probe *stamps = &probe->stamps;

        stamps->host_sent.ticks = sim_exchange_host(world, probe->sent);
        stamps->host_received.ticks = sim_exchange_host(world, probe->received);
        stamps->guest_receive.ticks =
            sim_exchange_guest(world, (int64_t)stamps->guest_receive.ticks);
        stamps->guest_transmit.ticks =
            sim_exchange_guest(world, (int64_t)stamps->guest_transmit.ticks);
    }
}

void sim_exchange_init(struct sim_exchange *world,
                       const struct sim_exchange_scenario *scenario,
                       struct seeded *random)
{
    world->scenario = scenario;
    world->n = 0;
    world->jump = 0;
    lay_out(world, random);
    choose_counters(world, random);
    read_stamps(world);
}
