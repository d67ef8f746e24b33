/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A counter's line against simulated exchanges whose truth is known: what it
 * says contains the truth always, it is as narrow as the probes allow, and a
 * counter that is set or changes its rate is refused where that shows.
 */
#include <errno.h>
#include <glib.h>

#include "sim-exchange.h"

#define CASES 300
#define TICK  ((int64_t)1 << SIM_FINE_BITS)

struct sim {
    struct seeded random;
    struct sim_exchange world;
    struct tcs_counter_line line;
    unsigned int answers, refused, undetected;
};

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static bool guest_is_in(struct tcs_guest_span span, uint64_t guest)
{
    return guest - span.lo.ticks <= span.hi.ticks - span.lo.ticks;
}

/* Adds probes from `first` on. Returns the one that is refused, or n. */
static size_t add_probes(struct sim *sim, size_t first)
{
    for (size_t i = first; i < sim->world.n; i++) {
        int ret = tcs_counter_line_add_probe(&sim->line,
                                             &sim->world.probes[i].stamps);

        /* -EINVAL where it was set back between the two stamps. */
        if (ret == -EDOM || (ret == -EINVAL && sim->world.jump != 0)) {
            return i;
        }
        PROPERTY(&sim->random, ret == 0);
    }
    return sim->world.n;
}

/* Fine time in the world, or not far outside where it was ever the same. */
static int64_t random_moment(struct sim *sim, int64_t first, int64_t last)
{
    int64_t run = (last - first) / 4;
    int64_t before = sim->world.n_pieces > 1 ? 0 : run;

    if (seeded_range(&sim->random, 0, 9) == 0) {
        return seeded_signed(&sim->random, first - before, last + run);
    }
    return seeded_signed(&sim->random, first, last);
}

/* The truth at a moment is in every answer about it. */
static void check_moment(struct sim *sim, int64_t fine)
{
    uint64_t host = sim_exchange_host(&sim->world, fine);
    uint64_t guest = sim_exchange_guest(&sim->world, fine);
    struct tcs_guest_span at;
    struct tcs_host_span when;
    int ret = tcs_counter_line_at(&sim->line, host_span(host, host), &at);

    /* Nothing bounds it outside of what was seen, at any rate. */
    PROPERTY(&sim->random, ret == 0 || ret == -ENODATA);
    if (ret == 0) {
        PROPERTY(&sim->random, guest_is_in(at, guest));
        sim->answers++;
    }
    ret = tcs_counter_line_when(&sim->line, (struct tcs_guest_ticks){ guest },
                                (struct tcs_guest_ticks){ guest }, &when);
    PROPERTY(&sim->random, ret == 0 || ret == -ENODATA || ret == -ERANGE);
    if (ret == 0) {
        PROPERTY(&sim->random, when.lo.ticks <= host);
        PROPERTY(&sim->random, when.hi.ticks >= host);
    }
}

/* And so is that of all moments of a span. */
static void check_span(struct sim *sim, int64_t a, int64_t b)
{
    int64_t first = MIN(a, b), last = MAX(a, b);
    int64_t moment = seeded_signed(&sim->random, first, last);
    uint64_t host = sim_exchange_host(&sim->world, moment);
    uint64_t guest = sim_exchange_guest(&sim->world, moment);
    struct tcs_host_span span = host_span(sim_exchange_host(&sim->world, first),
                                          sim_exchange_host(&sim->world, last));
    struct tcs_guest_span at;
    struct tcs_host_span when;

    if (tcs_counter_line_at(&sim->line, span, &at) == 0) {
        PROPERTY(&sim->random, guest_is_in(at, guest));
    }
    if (tcs_counter_line_when(
            &sim->line,
            (struct tcs_guest_ticks){ sim_exchange_guest(&sim->world, first) },
            (struct tcs_guest_ticks){ sim_exchange_guest(&sim->world, last) },
            &when) == 0) {
        PROPERTY(&sim->random, when.lo.ticks <= host && when.hi.ticks >= host);
    }
}

static void check_truth(struct sim *sim, int64_t first, int64_t last)
{
    for (int i = 0; i < 20; i++) {
        check_moment(sim, random_moment(sim, first, last));
        check_span(sim, random_moment(sim, first, last),
                   random_moment(sim, first, last));
    }
}

static struct tcs_rate_span true_rate(const struct sim_exchange *world)
{
    struct tcs_rate rate = { world->pieces[0].rate,
                             (uint64_t)1 << SIM_RATE_BITS };

    return (struct tcs_rate_span){ rate, rate };
}

static void test_truth(gconstpointer data)
{
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        struct tcs_rate_span rates[3];

        sim_exchange_init(&sim.world, data, &sim.random);
        /* Nothing is known of the rate; little; all. */
        rates[0] = TCS_RATE_SPAN_MONOTONE;
        rates[2] = true_rate(&sim.world);
        rates[1] = tcs_rate_span_widen(rates[2], 500);
        for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
            tcs_counter_line_init(&sim.line, rates[i]);
            PROPERTY(&sim.random, add_probes(&sim, 0) == sim.world.n);
            check_truth(&sim, 0, sim.world.end);
            tcs_counter_line_clear(&sim.line);
        }
    }
    g_test_message("%u answers", sim.answers);
    g_assert_cmpuint(sim.answers, >, CASES);
}

/* The least that some probes among the first or last leave open, each way. */
struct best {
    uint64_t out, back;
};

static struct best best_of(const struct sim_exchange *world, size_t first,
                           size_t end)
{
    struct best best = { UINT64_MAX, UINT64_MAX };

    for (size_t i = first; i < end; i++) {
        best.out = MIN(best.out, world->probes[i].out);
        best.back = MIN(best.back, world->probes[i].back);
    }
    return best;
}

/*
 * The width at a moment in the middle third, for a rate that is not known: the
 * best probe of the first third and that of the last hold the line between
 * them, so the worse of the two is what is left of either way; plus the ticks
 * that each stamp and the question stand for. Where no delay is more than
 * twice another, that is at most twice the least any method could reach that
 * knows the rate but has the same probes. Where the rate is known, it is that
 * least itself.
 */
static void check_width(struct sim *sim, bool is_rate_known)
{
    const struct sim_exchange *world = &sim->world;
    size_t third = world->n / 3;
    uint64_t from = world->probes[third].stamps.host_received.ticks;
    uint64_t to = world->probes[world->n - third - 1].stamps.host_sent.ticks;
    uint64_t host = seeded_range(&sim->random, from, MAX(from, to));
    struct best first = best_of(world, 0, third);
    struct best last = best_of(world, world->n - third, world->n);
    struct best all = best_of(world, 0, world->n);
    uint64_t least = sim_exchange_guest_ticks(world, all.out + all.back);
    /* Of the two stamps of either side one tick each, and one asked about. */
    uint64_t ticks = sim_exchange_guest_ticks(world, 3) + 4;
    uint64_t most = least;
    struct tcs_guest_span at;

    /* A reply bounds the line from the tick after it on: no moment without a
     * whole tick between the thirds. */
    if (from <= world->probes[third - 1].stamps.host_received.ticks ||
        host >= world->probes[world->n - third].stamps.host_sent.ticks) {
        return;
    }
    if (!is_rate_known) {
        most = sim_exchange_guest_ticks(world, MAX(first.out, last.out) +
                                                   MAX(first.back, last.back));
    }
    PROPERTY(&sim->random,
             tcs_counter_line_at(&sim->line, host_span(host, host), &at) == 0);
    PROPERTY(&sim->random, at.hi.ticks - at.lo.ticks <= most + ticks);
    PROPERTY(&sim->random, world->scenario->is_heavy ||
                               at.hi.ticks - at.lo.ticks <= 2 * least + ticks);
}

static void test_width(gconstpointer data)
{
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        sim_exchange_init(&sim.world, data, &sim.random);
        for (int is_known = 0; is_known <= 1; is_known++) {
            tcs_counter_line_init(&sim.line, is_known ? true_rate(&sim.world)
                                                      : TCS_RATE_SPAN_MONOTONE);
            PROPERTY(&sim.random, add_probes(&sim, 0) == sim.world.n);
            for (int i = 0; i < 20; i++) {
                check_width(&sim, is_known);
            }
            tcs_counter_line_clear(&sim.line);
        }
    }
}

/*
 * Whether no line at all can lie within the bounds, of the unchanged counter
 * before and the changed one after. Each probe bounds the line to within
 * `open` of the counter, so over a run w its rate can be off by open / w. A
 * reply bounds it from the tick after it on, which shortens a run by one.
 */
static bool must_show(const struct sim_exchange *world)
{
    uint64_t longest = 0, before_end = 0, after_start = UINT64_MAX;
    uint64_t change = sim_exchange_host(world, world->pieces[1].start);
    const struct tcs_probe *first = &world->probes[0].stamps;
    const struct tcs_probe *last = &world->probes[world->n - 1].stamps;

    for (size_t i = 0; i < world->n; i++) {
        const struct sim_exchange_probe *probe = &world->probes[i];

        longest = MAX(longest, MAX(probe->out, probe->back));
        if (probe->stamps.host_received.ticks < change) {
            before_end = probe->stamps.host_sent.ticks;
        } else if (probe->stamps.host_sent.ticks > change &&
                   after_start == UINT64_MAX) {
            after_start = probe->stamps.host_received.ticks;
        }
    }
    if (before_end <= first->host_received.ticks ||
        after_start >= last->host_sent.ticks) {
        return false; /* one probe on a side, or none: any rate will do */
    }
    tcs_i128 open = 2 * (sim_exchange_guest_ticks(world, longest + 3) + 3);
    tcs_i128 before = before_end - first->host_received.ticks - 1;
    tcs_i128 after = last->host_sent.ticks - after_start - 1;
    tcs_i128 gap = after_start - before_end;

    if (world->scenario->change == SIM_OTHER_RATE) {
        tcs_i128 a = world->pieces[0].rate, b = world->pieces[1].rate;
        tcs_i128 between = a < b ? b - a : a - b;

        return between * before * after > (open * (before + after))
                                              << SIM_RATE_BITS;
    }
    return (world->jump - open) * MAX(before, after) > open * gap &&
           world->jump > open;
}

/*
 * Once refused, a line begun with the probes sent after that is true again; of
 * the old one nothing is asked, as it may hold probes from after the change.
 */
static void check_after(struct sim *sim, size_t refused)
{
    const struct sim_exchange *world = &sim->world;
    size_t next = refused;

    while (next < world->n &&
           world->probes[next].stamps.host_sent.ticks <=
               world->probes[refused].stamps.host_received.ticks) {
        next++;
    }
    tcs_counter_line_clear(&sim->line);
    if (next == world->n) {
        return;
    }
    PROPERTY(&sim->random, add_probes(sim, next) == world->n);
    check_truth(sim, world->probes[next].sent, world->end);
}

static void test_change(gconstpointer data)
{
    struct sim sim = { .random = seeded_start() };

    for (; sim.random.case_number < CASES; sim.random.case_number++) {
        size_t refused;

        sim_exchange_init(&sim.world, data, &sim.random);
        tcs_counter_line_init(&sim.line, TCS_RATE_SPAN_MONOTONE);
        refused = add_probes(&sim, 0);
        if (refused < sim.world.n) {
            sim.refused++;
            check_after(&sim, refused);
        } else {
            PROPERTY(&sim.random, !must_show(&sim.world));
            sim.undetected++;
        }
        tcs_counter_line_clear(&sim.line);
    }
    g_test_message("%u refused, %u not seen", sim.refused, sim.undetected);
    g_assert_cmpuint(sim.refused, >, CASES / 4);
}

static const struct sim_exchange_scenario truths[] = {
    { "plain", .n_min = 1, .n_max = 100 },
    { "few", .is_heavy = true, .is_preempted = true, .n_min = 1, .n_max = 4 },
    { "asymmetric", .is_asymmetric = true, .n_min = 1, .n_max = 100 },
    { "heavy", .is_heavy = true, .is_asymmetric = true, .n_min = 1,
      .n_max = 100 },
    { "preempted", .is_heavy = true, .is_preempted = true, .n_min = 1,
      .n_max = 100 },
    { "pipelined", .is_heavy = true, .is_asymmetric = true,
      .is_preempted = true, .is_pipelined = true, .n_min = 1, .n_max = 100 },
    { "lossy", .is_heavy = true, .is_preempted = true, .is_lossy = true,
      .n_min = 9, .n_max = 100 },
};

static const struct sim_exchange_scenario widths[] = {
    { "plain", .is_asymmetric = true, .n_min = 6, .n_max = 200 },
    { "heavy", .is_heavy = true, .is_asymmetric = true, .is_preempted = true,
      .n_min = 6, .n_max = 200 },
};

static const struct sim_exchange_scenario changes[] = {
    { "set", .change = SIM_SET, .n_min = 4, .n_max = 100 },
    { "set-heavy", .is_heavy = true, .is_preempted = true, .is_pipelined = true,
      .change = SIM_SET, .n_min = 4, .n_max = 100 },
    { "rate", .is_preempted = true, .change = SIM_OTHER_RATE, .n_min = 4,
      .n_max = 100 },
};

static void add_tests(const char *what,
                      const struct sim_exchange_scenario *scenarios, size_t n,
                      GTestDataFunc test)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path =
            g_strdup_printf("/sim/exchange/%s/%s", what, scenarios[i].name);

        g_test_add_data_func(path, &scenarios[i], test);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests("truth", truths, G_N_ELEMENTS(truths), test_truth);
    add_tests("width", widths, G_N_ELEMENTS(widths), test_width);
    add_tests("change", changes, G_N_ELEMENTS(changes), test_change);
    return g_test_run();
}
