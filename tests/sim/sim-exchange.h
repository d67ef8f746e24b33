/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated host and guest that know the truth: two counters over one fine
 * time, and the probes exchanged between them. Knows nothing of what is
 * computed from the probes.
 */
#ifndef TESTS_SIM_SIM_EXCHANGE_H
#define TESTS_SIM_SIM_EXCHANGE_H

#include <glib.h>

#include "clocksync/exchange.h"
#include "seeded.h"

/* Fine time: so many bits are one host tick, counted from the world's start. */
#define SIM_FINE_BITS  20
#define SIM_RATE_BITS  32 /* guest ticks per host tick are / 2^32 */
#define SIM_PROBES_MAX 256

/* What may happen to the guest's counter in the middle. */
enum sim_change { SIM_STEADY, SIM_SET, SIM_OTHER_RATE };

/* A scenario sets what differs. */
struct sim_exchange_scenario {
    const char *name;
    bool is_heavy; /* delays without an end; else at most twice the least */
    bool is_asymmetric;
    bool is_preempted; /* the guest between its two stamps, now and then */
    bool is_pipelined; /* requests that do not wait for replies */
    bool is_lossy;
    enum sim_change change;
    size_t n_min, n_max;
};

/* The guest's counter from fine time `start` on. */
struct sim_guest_piece {
    int64_t start;
    uint64_t rate;
    uint64_t offset; /* modulo 2^64 */
};

struct sim_exchange_probe {
    struct tcs_probe stamps;
    int64_t sent, received; /* fine time */
    uint64_t out, back;     /* what each way took, in host ticks, rounded up */
};

struct sim_exchange {
    const struct sim_exchange_scenario *scenario;
    bool is_scaled;       /* computed from the host's whole ticks, as KVM does;
                             else the guest's counter has a phase of its own */
    uint64_t guest_phase; /* of that, in 1 / 2^SIM_RATE_BITS guest ticks */
    uint64_t host_start;  /* the host's counter at fine time 0 */
    struct sim_guest_piece pieces[2];
    size_t n_pieces;
    uint64_t jump; /* by how much it was set, in guest ticks */
    int64_t end;   /* fine time when the last probe was over */

    size_t n; /* those that came back */
    struct sim_exchange_probe probes[SIM_PROBES_MAX];
};

/* A random world of this scenario. */
void sim_exchange_init(struct sim_exchange *world,
                       const struct sim_exchange_scenario *scenario,
                       struct seeded *random);

/* The counters at a moment of fine time. */
uint64_t sim_exchange_host(const struct sim_exchange *world, int64_t fine);
uint64_t sim_exchange_guest(const struct sim_exchange *world, int64_t fine);

/* Guest ticks that pass in so many host ticks, rounded up. */
uint64_t sim_exchange_guest_ticks(const struct sim_exchange *world,
                                  uint64_t host_ticks);

#endif
