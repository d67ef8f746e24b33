/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See sim-clock.h. Interval i lies between readings i and i + 1.
 */
#include "sim-clock.h"

#include <string.h>

#define NS_PER_MS ((uint64_t)1000000)

static uint64_t ticks_of(const struct sim_world *world, uint64_t ns)
{
    return (uint64_t)((tcs_u128)ns * world->khz / NS_PER_MS);
}

/* Every order of magnitude from lo to hi is equally likely. */
static uint64_t log_range(struct seeded *random, uint64_t lo, uint64_t hi)
{
    uint64_t top = lo;

    while (top < hi && seeded_range(random, 0, 9) > 0) {
        /* Ten draws or so go over the whole range. */
        top = MIN(hi, top + top / 2 + 1);
    }
    if (seeded_range(random, 0, 1)) {
        unsigned int bits = g_bit_storage(hi / lo);

        top = MIN(hi, lo << seeded_range(random, 0, bits));
    }
    return seeded_range(random, lo, top);
}

static int64_t random_sign(struct seeded *random)
{
    return seeded_range(random, 0, 1) ? 1 : -1;
}

/* Its extremes, and near them, and anything. */
static uint64_t edgy_range(struct seeded *random, uint64_t lo, uint64_t hi)
{
    switch (seeded_range(random, 0, 5)) {
    case 0:
        return lo;
    case 1:
        return hi;
    case 2:
        return lo + (hi - lo) / (1 + seeded_bits(random, 16));
    case 3:
        return hi - (hi - lo) / (1 + seeded_bits(random, 16));
    default:
        return seeded_range(random, lo, hi);
    }
}

/* A rate that is allowed, in whole units a part. */
static int64_t clamp_rate(const struct sim_world *world, int64_t rate)
{
    return CLAMP(rate / SIM_PARTS * SIM_PARTS, world->rate_lo, world->rate_hi);
}

static int64_t random_rate(const struct sim_world *world, struct seeded *random)
{
    return clamp_rate(world,
                      (int64_t)edgy_range(random, (uint64_t)world->rate_lo,
                                          (uint64_t)world->rate_hi));
}

/* Another rate: anything allowed, or a little more or less. */
static int64_t other_rate(const struct sim_world *world, struct seeded *random,
                          int64_t rate)
{
    if (seeded_range(random, 0, 1)) {
        return random_rate(world, random);
    }
    return clamp_rate(world, rate + random_sign(random) * (rate >> 16) *
                                        (int64_t)seeded_range(random, 1, 4));
}

static const struct sim_piece *piece_at(const struct sim_world *world,
                                        uint64_t moment)
{
    size_t lo = 0, hi = world->n_pieces;

    while (hi - lo > 1) {
        size_t middle = lo + (hi - lo) / 2;

        if (world->pieces[middle].start <= moment) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return &world->pieces[lo];
}

tcs_i128 sim_world_units(const struct sim_world *world, uint64_t moment,
                         unsigned int part)
{
    const struct sim_piece *piece = piece_at(world, moment);

    g_assert(moment >= piece->start);
    return piece->units + (tcs_i128)piece->rate * (moment - piece->start) +
           piece->rate / SIM_PARTS * part;
}

static tcs_i128 units_floor(tcs_i128 units, tcs_i128 step)
{
    tcs_i128 rest = units % step;

    return units - (rest < 0 ? rest + step : rest);
}

struct tcs_ns_span sim_world_value(const struct sim_world *world,
                                   uint64_t moment, unsigned int part)
{
    tcs_i128 units = sim_world_units(world, moment, part);

    return (struct tcs_ns_span){
        .lo = (int64_t)(units_floor(units, SIM_UNIT) / SIM_UNIT),
        .hi = (int64_t)(-units_floor(-units, SIM_UNIT) / SIM_UNIT),
    };
}

bool sim_world_is_in(const struct sim_world *world, uint64_t moment,
                     struct tcs_ns_span span)
{
    /* It changes its course at the beginning of a tick only. */
    tcs_i128 first = sim_world_units(world, moment, 0);
    tcs_i128 last = sim_world_units(world, moment, SIM_PARTS - 1);

    return (span.lo == INT64_MIN || span.lo * SIM_UNIT <= first) &&
           (span.hi == INT64_MAX || span.hi * SIM_UNIT >= last);
}

tcs_i128 sim_world_reading_units(const struct sim_world *world, size_t i)
{
    return sim_world_units(world, world->moments[i], world->parts[i]);
}

bool sim_world_is_gap(const struct sim_world *world, size_t i)
{
    tcs_i128 rise = sim_world_reading_units(world, i + 1) -
                    sim_world_reading_units(world, i);
    tcs_i128 parts =
        (tcs_i128)(world->moments[i + 1] - world->moments[i]) * SIM_PARTS +
        world->parts[i + 1] - world->parts[i];

    return rise < parts * (world->rate_lo / SIM_PARTS) ||
           rise > parts * (world->rate_hi / SIM_PARTS);
}

/* From `moment` on the clock has another rate, and was set by `step`. */
static void turn(struct sim_world *world, uint64_t moment, int64_t rate,
                 tcs_i128 step)
{
    struct sim_piece piece = { moment, 0, rate };

    g_assert((rate >= world->rate_lo && rate <= world->rate_hi) || rate == 0);
    g_assert(rate % SIM_PARTS == 0);
    g_assert(world->n_pieces < SIM_PIECES_MAX);
    piece.units = sim_world_units(world, moment, 0) + step;
    if (world->pieces[world->n_pieces - 1].start == moment) {
        world->n_pieces--;
    }
    world->pieces[world->n_pieces++] = piece;
}

static int64_t rate_now(const struct sim_world *world)
{
    return world->pieces[world->n_pieces - 1].rate;
}

/* Some tick a: the earlier reading < a <= the later. */
static uint64_t within(struct seeded *random, uint64_t earlier, uint64_t later)
{
    return edgy_range(random, earlier + 1, later);
}

/* A small change of the rate that stays: what crystals do. Returns when. */
static uint64_t wander(struct sim_world *world, struct seeded *random,
                       uint64_t earlier, uint64_t later)
{
    /*
     * Within two neighbouring intervals the rate varies by 1 ppm at the most,
     * so each of them may have half of it.
     */
    int64_t most = world->rate_lo / 2000000;
    int64_t by =
        random_sign(random) * (int64_t)edgy_range(random, 0, (uint64_t)most);

    uint64_t when = within(random, earlier, later);

    turn(world, when, clamp_rate(world, rate_now(world) + by), 0);
    return when;
}

static tcs_i128 random_step(struct seeded *random, uint64_t lo_ns,
                            uint64_t hi_ns)
{
    return random_sign(random) * (tcs_i128)log_range(random, lo_ns, hi_ns) *
           SIM_UNIT;
}

/*
 * Lets it happen in interval i, after the moment `from`. Returns how many
 * intervals it took, or 0 where it does not fit.
 */
static size_t happen(struct sim_world *world, struct seeded *random, size_t i,
                     uint64_t from, enum sim_event event)
{
    const uint64_t *t = &world->moments[i];
    int64_t rate = rate_now(world), other = other_rate(world, random, rate);
    uint64_t a = within(random, from, t[1]), b = within(random, from, t[1]);
    tcs_i128 step = 0;

    switch (event) {
    case SIM_STEP:
    case SIM_STEP_RATE:
        step = random_step(random, 1000, 5 * NS_PER_MS);
        break;
    case SIM_LEAP:
    case SIM_LEAP_RATE:
        step = random_step(random, 1000 * NS_PER_MS,
                           (uint64_t)36000000 * NS_PER_MS);
        world->leaps++;
        break;
    default:
        break;
    }
    switch (event) {
    case SIM_STEP:
    case SIM_LEAP:
        turn(world, a, rate, step);
        return 1;
    case SIM_RATE:
    case SIM_STEP_RATE:
    case SIM_LEAP_RATE:
        turn(world, a, other, step);
        return 1;
    case SIM_SLEW:
        turn(world, MIN(a, b), other, 0);
        turn(world, MAX(a, b), rate, 0);
        return 1;
    case SIM_LONG_SLEW:
        if (i + 2 >= world->n) {
            return 0;
        }
        turn(world, a, other, 0);
        turn(world, within(random, t[1], t[2]), rate, 0);
        return 2;
    case SIM_SUSPEND:
        turn(world, MIN(a, b), 0, 0);
        turn(world, MAX(a, b), other, 0);
        return 1;
    case SIM_DECAY:
        turn(world, MIN(a, b), clamp_rate(world, rate + (other - rate) / 2), 0);
        turn(world, MAX(a, b), other, 0);
        return 1;
    default:
        g_assert_not_reached();
    }
}

static enum sim_event random_event(struct seeded *random, unsigned int events)
{
    unsigned int pick;

    do {
        pick = 1u << seeded_range(random, 0, 8);
    } while (!(events & pick));
    return (enum sim_event)pick;
}

/*
 * The clock's course. Between two events there is at least one whole interval
 * in which nothing happens: that is what is assumed of a clock.
 */
static void run_clock(struct sim_world *world, struct seeded *random)
{
    const struct sim_scenario *scenario = world->scenario;
    size_t quiet_until = 0;

    world->pieces[0] = (struct sim_piece){
        world->first,
        seeded_signed(random, -(1LL << 60), 1LL << 60) * SIM_UNIT +
            seeded_signed(random, 0, (int64_t)SIM_UNIT - 1),
        random_rate(world, random),
    };
    world->n_pieces = 1;
    if (scenario->events) {
        turn(world, edgy_range(random, world->first, world->moments[0]),
             random_rate(world, random), 0);
    }
    for (size_t i = 0; i + 1 < world->n; i++) {
        uint64_t earlier = world->moments[i], later = world->moments[i + 1];
        bool is_quiet = i < quiet_until || seeded_range(random, 0, 3) > 0;

        if (scenario->wanders && seeded_range(random, 0, 3) > 0) {
            uint64_t latest =
                is_quiet ? later : earlier + (later - earlier) / 2;

            earlier = wander(world, random, earlier, latest);
        }
        if (scenario->events && !is_quiet) {
            size_t took = happen(world, random, i, earlier,
                                 random_event(random, scenario->events));

            if (took > 0) {
                quiet_until = i + took + 1;
                i += took - 1;
            }
        }
    }
    if (scenario->events) {
        turn(world,
             edgy_range(random, world->moments[world->n - 1] + 1, world->last),
             random_rate(world, random), 0);
    }
}

/* Half of a bracket in nanoseconds: short mostly, at times preempted. */
static uint64_t random_delay(const struct sim_world *world,
                             struct seeded *random)
{
    uint64_t kind = seeded_range(random, 0, 99);

    if (kind < 15) {
        return 0;
    }
    if (kind < 85 || world->scenario->is_calm) {
        return seeded_range(random, 0, 100);
    }
    return kind < 96 ? seeded_range(random, 0, 20000)
                     : log_range(random, 10000, 5 * NS_PER_MS);
}

/* When the readings are taken, and between which two reads of the counter. */
static void schedule(struct sim_world *world, struct seeded *random)
{
    const struct sim_scenario *scenario = world->scenario;
    uint64_t interval_ns =
        log_range(random, NS_PER_MS, (uint64_t)10000 * NS_PER_MS);
    uint64_t ramp = seeded_range(random, 0, 2), before = 0, edge;
    uint64_t margin = ticks_of(world, interval_ns) * seeded_range(random, 1, 4);
    /* Brackets grow where a guest's counter is slow and its offset vague. */
    uint64_t apart = scenario->is_guest
                         ? 4096
                         : 1 + ticks_of(world, seeded_range(random, 0, 20000));

    for (size_t i = 0; i < world->n; i++) {
        struct tcs_host_span *when = &world->readings[i].when;
        uint64_t ns = interval_ns;

        if (scenario->is_regular) {
            ns += seeded_range(random, 0, interval_ns / 8);
        } else if (ramp == 0) {
            ns = log_range(random, NS_PER_MS, (uint64_t)10000 * NS_PER_MS);
        } else if (ramp == 1) {
            interval_ns =
                CLAMP(interval_ns * seeded_range(random, 50, 200) / 100,
                      NS_PER_MS, (uint64_t)10000 * NS_PER_MS);
        } else {
            ns += seeded_range(random, 0, interval_ns);
        }

        uint64_t previous =
            i ? world->readings[i - 1].when.hi.ticks + apart : margin;

        when->lo.ticks = MAX(previous, before + ticks_of(world, ns));
        world->moments[i] =
            when->lo.ticks + ticks_of(world, random_delay(world, random));
        /* After the last one even where their brackets touch. */
        world->moments[i] = MAX(world->moments[i], before + 1);
        world->parts[i] = edgy_range(random, 0, SIM_PARTS - 1);
        when->hi.ticks =
            world->moments[i] + ticks_of(world, random_delay(world, random));
        before = world->moments[i];
        if (scenario->overlaps && i > 0 && seeded_range(random, 0, 1)) {
            when->lo.ticks = edgy_range(
                random, world->readings[i - 1].when.lo.ticks, when->lo.ticks);
        }
    }

    /* All of it is moved to where counters break, or anywhere. */
    world->last = world->readings[world->n - 1].when.hi.ticks + margin;
    edge = seeded_range(random, 0, 4);
    world->first =
        edge == 0   ? 0
        : edge == 1 ? UINT64_MAX - world->last
        : edge == 2 ? ((uint64_t)1 << 63) - seeded_range(random, 0, world->last)
                    : seeded_bits(random, 63);
    world->last += world->first;
    for (size_t i = 0; i < world->n; i++) {
        world->moments[i] += world->first;
        world->readings[i].when.lo.ticks += world->first;
        world->readings[i].when.hi.ticks += world->first;
    }
}

static void random_map(struct tcs_counter_map *map, struct seeded *random)
{
    unsigned int shift = seeded_range(random, 0, 1) ? 32 : 48;
    uint64_t one = (uint64_t)1 << shift;

    g_assert_cmpint(tcs_counter_map_init(map,
                                         edgy_range(random, one / 8, one * 8),
                                         shift, (int64_t)seeded_counter(random),
                                         seeded_bits(random, 6)),
                    ==, 0);
}

/*
 * What the guest read, placed on the host's counter through the map that was
 * in force. The offset the map tells is off by no more than it admits.
 */
static void read_in_guest(struct sim_world *world, struct seeded *random,
                          struct tcs_counter_map *map, size_t i)
{
    struct tcs_host_reading *host = &world->readings[i];
    struct tcs_counter_map truth = *map;
    int64_t error = (int64_t)map->offset_bound;
    uint64_t near =
        edgy_range(random, i ? world->moments[i - 1] : world->first,
                   i + 1 < world->n ? world->moments[i + 1] : world->last);

    truth.offset = (int64_t)((uint64_t)map->offset +
                             (uint64_t)seeded_signed(random, -error, error));
    struct tcs_guest_reading guest = {
        .before = tcs_counter_map_to_guest(&truth, host->when.lo),
        .after = tcs_counter_map_to_guest(&truth, host->when.hi),
        .value = host->value,
    };
    g_assert_cmpint(tcs_guest_reading_on_host(
                        map, &guest, (struct tcs_host_ticks){ near }, host),
                    ==, 0);
}

static void read_all(struct sim_world *world, struct seeded *random)
{
    tcs_i128 step = (tcs_i128)world->resolution_ns * SIM_UNIT;
    struct tcs_counter_map map;

    random_map(&map, random);
    for (size_t i = 0; i < world->n; i++) {
        tcs_i128 units = sim_world_reading_units(world, i);
        int64_t shown = (int64_t)(units_floor(units, step) / SIM_UNIT);

        world->readings[i].value = tcs_clock_value(shown, world->resolution_ns);
        if (world->scenario->is_guest) {
            if (seeded_range(random, 0, 3) == 0) {
                random_map(&map, random);
            }
            read_in_guest(world, random, &map, i);
        }
    }
}

void sim_world_init(struct sim_world *world,
                    const struct sim_scenario *scenario, struct seeded *random)
{
    static const uint32_t allowed_ppm[] = { 500, 500, 500, 100, 1000, 5000 };
    static const uint32_t resolutions[] = { 1, 1, 1, 280, 1000, 4000000 };
    uint32_t ppm = allowed_ppm[seeded_range(random, 0, 5)];
    tcs_i128 scale = SIM_UNIT;

    memset(world, 0, sizeof(*world));
    world->scenario = scenario;
    world->khz = log_range(random, 1000, 5000000);
    world->resolution_ns = resolutions[seeded_range(random, 0, 5)];
    world->n = seeded_range(random, scenario->n_min, scenario->n_max);

    struct tcs_rate nominal = { NS_PER_MS, world->khz };

    world->allowed =
        tcs_rate_span_widen((struct tcs_rate_span){ nominal, nominal }, ppm);
    world->rate_lo =
        SIM_PARTS *
        (int64_t)tcs_ceil_div(world->allowed.lo.ns * scale,
                              (tcs_i128)world->allowed.lo.ticks * SIM_PARTS);
    world->rate_hi =
        SIM_PARTS *
        (int64_t)tcs_floor_div(world->allowed.hi.ns * scale,
                               (tcs_i128)world->allowed.hi.ticks * SIM_PARTS);
    schedule(world, random);
    run_clock(world, random);
    read_all(world, random);
}
