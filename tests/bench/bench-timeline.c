/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversions through a long recording against those through a short one, and
 * against the bare arithmetic of one reading: a conversion finds its place in
 * logarithmic time, so a thousand times the readings may cost a few times the
 * time. Both are measured in turns, so that a loaded machine slows both. And
 * how many counters a second a vCPU's map converts, one after the other.
 */
#include <stdbool.h>

#include <glib.h>

#include "clocksync/counter-epochs.h"
#include "clocksync/timeline.h"

#define SHORT_READINGS 20
#define LONG_READINGS  20000
#define VALUES         2000
#define ROUNDS         15
/* 14 steps of a search where the other has 4, and colder memory. */
#define RATIO_MAX      12.0

#define MAP_VALUES     10000000
#define MAP_PER_SECOND 100e6

#define SECOND_TICKS   ((uint64_t)2000000000)
#define SECOND_NS      ((int64_t)1000000000)

struct recording {
    size_t n;
    struct tcs_timeline timeline;
    struct tcs_counter_epochs epochs; /* a new one with every sample */
};

static void make(struct recording *recording, size_t n)
{
    const struct tcs_rate half = { 1, 2 };
    struct tcs_rate_span nominal = { half, half };

    *recording = (struct recording){ .n = n };
    tcs_timeline_init(&recording->timeline, tcs_rate_span_widen(nominal, 500));
    for (size_t i = 0; i < n; i++) {
        uint64_t at = (i + 1) * SECOND_TICKS;
        struct tcs_host_reading reading = {
            .when = { { at }, { at + 200 } },
            .value = tcs_clock_value((int64_t)(i + 1) * SECOND_NS, 1),
        };
        struct tcs_counter_map map;

        g_assert(tcs_timeline_add(&recording->timeline, &reading) == 0);
        g_assert(tcs_counter_map_init(&map, (uint64_t)1 << 32, 32,
                                      (int64_t)i * 7, 0) == 0);
        for (uint64_t k = 0; k < 2; k++) {
            struct tcs_host_span read_at = {
                { at + k * SECOND_TICKS / 2 },
                { at + k * SECOND_TICKS / 2 + 100 },
            };

            g_assert(tcs_counter_epochs_read(&recording->epochs, read_at, &map,
                                             false) == 0);
        }
    }
    g_assert(tcs_timeline_finish(&recording->timeline) == 0);
    g_assert(tcs_counter_epochs_finish(&recording->epochs) == 0);
}

/* Values spread over the recording, but not in their order. */
static uint64_t scattered(const struct recording *recording, uint64_t i,
                          uint64_t second)
{
    return second + i * 2654435761u % (recording->n - 2) * second + second / 3;
}

static uint64_t sink;

static void convert_time(const struct recording *recording)
{
    for (uint64_t i = 0; i < VALUES; i++) {
        int64_t ns = (int64_t)scattered(recording, i, SECOND_NS);
        struct tcs_host_span when;
        struct tcs_ns_span value;

        g_assert(tcs_timeline_when(&recording->timeline, tcs_clock_value(ns, 1),
                                   &when) == 0);
        g_assert(tcs_timeline_at(&recording->timeline, when, &value) == 0);
        sink += (uint64_t)value.lo;
    }
}

static void convert_counter(const struct recording *recording)
{
    for (uint64_t i = 0; i < VALUES; i++) {
        struct tcs_guest_ticks lo, hi;
        struct tcs_host_span when = {
            { scattered(recording, i, SECOND_TICKS) },
            { scattered(recording, i, SECOND_TICKS) },
        };

        g_assert(tcs_counter_epochs_at(&recording->epochs, when, &lo, &hi) ==
                 0);
        g_assert(tcs_counter_epochs_when(&recording->epochs, lo, &when) == 0);
        sink += when.lo.ticks;
    }
}

/* What no conversion can do without: one reading, followed for a second. */
static void follow_one(const struct recording *recording)
{
    for (uint64_t i = 0; i < VALUES; i++) {
        uint64_t at = scattered(recording, i, SECOND_TICKS);

        sink += (uint64_t)tcs_host_reading_extrapolate(
                    &recording->timeline.readings[0],
                    (struct tcs_host_span){ { at }, { at } },
                    recording->timeline.allowed)
                    .lo;
    }
}

typedef void (*Convert)(const struct recording *recording);

/* The best of many rounds, in turns. */
static void measure(const struct recording *const recordings[],
                    const Convert converts[], size_t n, double *ret_ns)
{
    for (size_t i = 0; i < n; i++) {
        ret_ns[i] = G_MAXDOUBLE;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < n; i++) {
            gint64 start = g_get_monotonic_time();

            converts[i](recordings[i]);

            double ns =
                (double)(g_get_monotonic_time() - start) * 1000 / VALUES;

            ret_ns[i] = MIN(ret_ns[i], ns);
        }
    }
}

/*
 * The map of a scaled vCPU: a multiplication of 128 bits each. The sum keeps
 * the compiler from leaving out what nobody uses.
 */
static double map_rate(void)
{
    struct tcs_counter_map map;
    double best = 0;

    g_assert(tcs_counter_map_init(&map, (uint64_t)3 << 31, 32, -12345, 0) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        gint64 start = g_get_monotonic_time();
        uint64_t sum = 0;

        for (uint64_t i = 0; i < MAP_VALUES; i++) {
            struct tcs_host_ticks host = { SECOND_TICKS + i * 977 };

            sum += tcs_counter_map_to_guest(&map, host).ticks;
        }
        best = MAX(best,
                   MAP_VALUES * 1e6 / (double)(g_get_monotonic_time() - start));
        sink += sum;
    }
    return best;
}

/* A line of the closing table: tests/bench/targets.py reads it. */
static bool tell_map_rate(void)
{
    double rate = map_rate();
    bool met = rate >= MAP_PER_SECOND;

    g_print("TARGET | a vCPU's counter map, one core | at least %.0f million "
            "conversions a second | %.0f million | %s\n",
            MAP_PER_SECOND / 1e6, rate / 1e6, met ? "met" : "MISSED");
    return met;
}

int main(void)
{
    struct recording few, many;
    const struct recording *const recordings[] = { &few, &few, &many, &few,
                                                   &many };
    const Convert converts[] = { follow_one, convert_time, convert_time,
                                 convert_counter, convert_counter };
    double ns[G_N_ELEMENTS(converts)];

    make(&few, SHORT_READINGS);
    make(&many, LONG_READINGS);
    measure(recordings, converts, G_N_ELEMENTS(converts), ns);
    g_print("one reading followed: %.0f ns\n", ns[0]);
    for (size_t i = 1; i < G_N_ELEMENTS(ns); i += 2) {
        g_print("%s there and back: %.0f ns among %d readings (%.1f times the "
                "one reading), %.0f ns among %d: %.1f times as long "
                "(at most %.0f); %.0f conversions/s\n",
                i == 1 ? "a clock" : "a vCPU's counter", ns[i], SHORT_READINGS,
                ns[i] / ns[0], ns[i + 1], LONG_READINGS, ns[i + 1] / ns[i],
                RATIO_MAX, 1e9 / ns[i + 1]);
        g_assert_cmpfloat(ns[i + 1] / ns[i], <, RATIO_MAX);
    }
    tcs_timeline_clear(&few.timeline);
    tcs_timeline_clear(&many.timeline);
    tcs_counter_epochs_clear(&few.epochs);
    tcs_counter_epochs_clear(&many.epochs);
    return tell_map_rate() && sink != 0 ? 0 : 1;
}
