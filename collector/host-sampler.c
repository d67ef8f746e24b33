/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread, a ring and a stop flag.
 */
#include "host-sampler.h"

#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "clockread/posix-clock.h"
#include "qmp-reply.h"

/* Pause between sweeps over all clocks: leaves the CPU to others. */
#define PAUSE_NS 20000
/* Each clock is read this often per sweep; the tightest is kept. */
#define SAMPLES 3
/* Some five seconds' worth of readings; memory stays bounded in any wait. */
#define RING_SIZE 262144

struct ring_entry {
    const struct tcs_posix_clock *clock;
    struct tcs_clock_sample sample;
};

struct TcsHostSampler {
    GThread *thread;
    gint stop; /* atomic */
    guint64 taken;
    struct ring_entry ring[RING_SIZE];
};

static void sweep(TcsHostSampler *sampler)
{
    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        struct ring_entry *entry = &sampler->ring[sampler->taken % RING_SIZE];

        entry->clock = clock;
        if (tcs_posix_clock_bracket(clock, SAMPLES, &entry->sample) == 0) {
            sampler->taken++;
        }
    }
}

static gpointer run(gpointer data)
{
    TcsHostSampler *sampler = data;
    const struct timespec pause = { .tv_nsec = PAUSE_NS };

    /* Otherwise every pause is rounded up by 50 us. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    do {
        sweep(sampler);
        nanosleep(&pause, NULL);
    } while (!g_atomic_int_get(&sampler->stop));
    /* One more, so that the last moment is covered from both sides. */
    sweep(sampler);
    return NULL;
}

TcsHostSampler *tcs_host_sampler_start(void)
{
    TcsHostSampler *sampler = g_new0(TcsHostSampler, 1);

    sampler->thread = g_thread_new("host-sampler", run, sampler);
    return sampler;
}

/* One clock's readings out of the ring, oldest first. */
static void append_clock(const TcsHostSampler *sampler,
                         const struct tcs_posix_clock *clock, GArray *array)
{
    guint64 first = sampler->taken > RING_SIZE ? sampler->taken - RING_SIZE : 0;
    uint32_t resolution_ns;

    if (tcs_posix_clock_resolution(clock, &resolution_ns) < 0) {
        return;
    }
    for (guint64 i = first; i < sampler->taken; i++) {
        const struct ring_entry *entry = &sampler->ring[i % RING_SIZE];
        const struct tcs_clock_sample *sample = &entry->sample;
        TcsHostClock reading = {
            .reading.when.lo.ticks = sample->counter_before,
            .reading.when.hi.ticks = sample->counter_after,
            .reading.value = tcs_clock_value(sample->value_ns, resolution_ns),
        };

        if (entry->clock == clock) {
            g_strlcpy(reading.clock, clock->name, sizeof(reading.clock));
            g_array_append_val(array, reading);
        }
    }
}

GArray *tcs_host_sampler_stop(TcsHostSampler *sampler)
{
    GArray *clocks = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));

    g_atomic_int_set(&sampler->stop, 1);
    g_thread_join(sampler->thread);
    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        append_clock(sampler, clock, clocks);
    }
    g_free(sampler);
    return clocks;
}

guint tcs_host_clock_slew_ppm(void)
{
    struct timex state = { 0 };
    const long kernel_limit_ppm = 500;
    long nominal_tick_us = 1000000 / sysconf(_SC_CLK_TCK);

    if (adjtimex(&state) < 0) {
        return kernel_limit_ppm;
    }
    long tick_ppm =
        labs(state.tick - nominal_tick_us) * 1000000 / nominal_tick_us;

    return (guint)(kernel_limit_ppm + tick_ppm);
}
