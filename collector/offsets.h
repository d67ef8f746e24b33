/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From samples to offsets: every guest clock against the host clock of the same
 * name, or those that were asked for, each with its bound, its rate and its
 * method, or a reason why not.
 */
#ifndef COLLECTOR_OFFSETS_H
#define COLLECTOR_OFFSETS_H

#include "session.h"

G_BEGIN_DECLS

/* offset = guest - host. */
typedef struct {
    char guest[65];
    char host[65];
    /* Linux CPU number where the guest told it, else the vCPU's cpu-index. */
    gint64 guest_cpu;
    gboolean is_ticks; /* values, offset and bound are ticks, else ns */
    /* The two clocks at one moment; host_value as well as can be told. */
    guint64 guest_value;
    guint64 host_value;
    gint64 offset;
    guint64 bound;
    /* Guest clock's advance per host clock's, between first and last sample. */
    gboolean has_rate;
    double rate;
    double rate_bound;
    const char *method;
} TcsOffset;

typedef enum {
    TCS_REFUSAL_UNREAD,        /* the guest did not read the clock */
    TCS_REFUSAL_UNPAIRED,      /* no two clocks of these kinds have one */
    TCS_REFUSAL_UNMAPPED,      /* it did, but no offset can be given */
    TCS_REFUSAL_CONTRADICTION, /* the data contradict each other */
} TcsRefusalKind;

typedef struct {
    char guest[65];
    char host[65]; /* empty where the guest's alone is the reason */
    TcsRefusalKind kind;
    char *reason;
} TcsRefusal;

typedef struct {
    GArray *offsets;  /* of TcsOffset */
    GArray *refusals; /* of TcsRefusal */
} TcsOffsets;

/*
 * `samples` (of TcsSample *, at least one) in the order they were taken.
 * host_slew_ppm: how far host clocks may run off their nominal rate between two
 * readings. host_clocks: where it has names, every guest clock is paired with
 * each of those, else with the one tcs_pair_default_host() says.
 */
TcsOffsets *tcs_offsets_new(GPtrArray *samples, guint host_slew_ppm,
                            const TcsHostClocks *host_clocks);
void tcs_offsets_free(TcsOffsets *offsets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsOffsets, tcs_offsets_free)

/* Whether a pair has an offset; NULL stands for any clock. */
gboolean tcs_offsets_has(const TcsOffsets *offsets, const char *guest,
                         const char *host);

G_END_DECLS

#endif
