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

/*
 * How many run now: each pauses that many times as long, so that together they
 * take no more of the CPUs than one, which the VMs need to answer at all.
 */
static gint running;

struct ring_entry {
    guint clock; /* of tcs_posix_clocks, then of `clocks` */
    struct tcs_clock_sample sample;
};

struct TcsHostSampler {
    GThread *thread;
    TcsHostClocks *clocks; /* NULL: none */
    guint n_posix;         /* 0 where they are not wanted */
    guint turn;            /* whose of `clocks` it is */
    gint stop;             /* atomic */
    guint64 taken;
    struct ring_entry *ring; /* RING_SIZE; memory is touched as it fills */
};

static struct ring_entry *next_entry(TcsHostSampler *sampler, guint clock)
{
    struct ring_entry *entry = &sampler->ring[sampler->taken % RING_SIZE];

    entry->clock = clock;
    return entry;
}

static void read_posix(TcsHostSampler *sampler)
{
    for (guint i = 0; i < sampler->n_posix; i++) {
        if (tcs_posix_clock_bracket(&tcs_posix_clocks[i], SAMPLES,
                                    &next_entry(sampler, i)->sample) == 0) {
            sampler->taken++;
        }
    }
}

static void read_other(TcsHostSampler *sampler, guint i)
{
    struct ring_entry *entry = next_entry(sampler, sampler->n_posix + i);

    if (tcs_host_clocks_read(sampler->clocks, i, &entry->sample)) {
        sampler->taken++;
    }
}

static void sweep_all(TcsHostSampler *sampler)
{
    read_posix(sampler);
    for (guint i = 0; i < tcs_host_clocks_count(sampler->clocks); i++) {
        read_other(sampler, i);
    }
}

/* Of the others, which take longer, one at a time. */
static void sweep(TcsHostSampler *sampler)
{
    guint n = tcs_host_clocks_count(sampler->clocks);

    read_posix(sampler);
    if (n > 0) {
        read_other(sampler, sampler->turn);
        sampler->turn = (sampler->turn + 1) % n;
    }
}

static gpointer run(gpointer data)
{
    TcsHostSampler *sampler = data;
    struct timespec pause = { 0 };

    /* Otherwise every pause is rounded up by 50 us. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    sweep_all(sampler);
    while (!g_atomic_int_get(&sampler->stop)) {
        pause.tv_nsec = PAUSE_NS * g_atomic_int_get(&running);
        nanosleep(&pause, NULL);
        sweep(sampler);
    }
    /* Once more, so that the last moment is covered from both sides. */
    sweep_all(sampler);
    return NULL;
}

TcsHostSampler *tcs_host_sampler_start(TcsHostClocks *clocks,
                                       gboolean reads_posix)
{
    TcsHostSampler *sampler;

    if (!reads_posix && tcs_host_clocks_count(clocks) == 0) {
        return NULL;
    }
    sampler = g_new0(TcsHostSampler, 1);
    sampler->clocks = clocks ? tcs_host_clocks_ref(clocks) : NULL;
    while (reads_posix && tcs_posix_clocks[sampler->n_posix].name) {
        sampler->n_posix++;
    }
    sampler->ring = g_new(struct ring_entry, RING_SIZE);
    g_atomic_int_inc(&running);
    sampler->thread = g_thread_new("host-sampler", run, sampler);
    return sampler;
}

/* One clock's readings out of the ring, oldest first. */
static void append_clock(const TcsHostSampler *sampler, guint clock,
                         GArray *array)
{
    guint64 first = sampler->taken > RING_SIZE ? sampler->taken - RING_SIZE : 0;
    gboolean is_posix = clock < sampler->n_posix;
    const char *name =
        is_posix
            ? tcs_posix_clocks[clock].name
            : tcs_host_clocks_name(sampler->clocks, clock - sampler->n_posix);
    uint32_t resolution_ns;

    if (is_posix && tcs_posix_clock_resolution(&tcs_posix_clocks[clock],
                                               &resolution_ns) < 0) {
        return;
    }
    for (guint64 i = first; i < sampler->taken; i++) {
        const struct ring_entry *entry = &sampler->ring[i % RING_SIZE];
        const struct tcs_clock_sample *sample = &entry->sample;
        TcsHostClock reading = {
            .reading.when.lo.ticks = sample->counter_before,
            .reading.when.hi.ticks = sample->counter_after,
            .reading.value = tcs_clock_value(sample->value_ns,
                                             is_posix ? resolution_ns
                                                      : sample->resolution_ns),
        };

        if (entry->clock == clock) {
            g_strlcpy(reading.clock, name, sizeof(reading.clock));
            g_array_append_val(array, reading);
        }
    }
}

GArray *tcs_host_sampler_stop(TcsHostSampler *sampler)
{
    GArray *array = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    guint n;

    if (!sampler) {
        return array;
    }
    n = sampler->n_posix + tcs_host_clocks_count(sampler->clocks);
    g_atomic_int_set(&sampler->stop, 1);
    g_thread_join(sampler->thread);
    g_atomic_int_add(&running, -1);
    for (guint i = 0; i < n; i++) {
        append_clock(sampler, i, array);
    }
    g_clear_pointer(&sampler->clocks, tcs_host_clocks_unref);
    g_free(sampler->ring);
    g_free(sampler);
    return array;
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
