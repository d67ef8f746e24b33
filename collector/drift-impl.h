/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TcsDrift is made of a log with: for drift.c and its parts alone.
 */
#ifndef COLLECTOR_DRIFT_IMPL_H
#define COLLECTOR_DRIFT_IMPL_H

#include "drift.h"

G_BEGIN_DECLS

typedef __int128 TcsWide;

/* What the model says at one moment. */
typedef struct {
    guint64 ticks;
    gboolean known;
    guint64 host;  /* its lowest value */
    gint64 lo, hi; /* guest - host, modulo 2^64 */
} TcsDriftMoment;

typedef struct {
    const TcsModel *model;
    const TcsModelClock *counter, *guest, *host;
    TcsDrift *drift;
    GArray *moments; /* of TcsDriftMoment, ascending */
    guint64 start;   /* the first moment's ticks */
    double ns_per_tick;
    /* The line goes through these two. */
    const TcsDriftMoment *from, *to;
} TcsDriftBuilder;

/* Both clocks at a host counter value; not known where *error says why. */
TcsDriftMoment tcs_drift_look(const TcsDriftBuilder *b, guint64 ticks,
                              GError **error);

/* All over the log: fills `moments`. TCS_ERROR_REFUSED: known nowhere. */
gboolean tcs_drift_look_everywhere(TcsDriftBuilder *b, const TcsLog *log,
                                   GError **error);

/*
 * By a clock of the host that runs evenly, from one host counter value to
 * another; 0 where none is known at both.
 */
double tcs_drift_find_ns_per_tick(TcsModel *model, const TcsModelClock *counter,
                                  guint64 from, guint64 to);

/* Through the middles at either end of the longest stretch. */
void tcs_drift_find_line(TcsDriftBuilder *b);

/* Modulo 2^64. */
gint64 tcs_drift_middle(const TcsDriftMoment *moment);

/* From one middle to the other. */
TcsWide tcs_drift_rise(const TcsDriftMoment *from, const TcsDriftMoment *to);

/* What is left of an offset at a moment without the line. */
double tcs_drift_residual(const TcsDriftBuilder *b, gint64 value,
                          guint64 ticks);

/* A host counter value as the drift's moments are. */
double tcs_drift_time(const TcsDriftBuilder *b, guint64 ticks);

/* From moments to stretches and gaps. */
void tcs_drift_add_stretches(TcsDriftBuilder *b);
void tcs_drift_stretch_free(gpointer data);

/* Steps, and whether they leave room for anything else in one picture. */
void tcs_drift_separate(TcsDrift *drift);

/* Where not: each stretch, and the samples in it, from its own level. */
void tcs_drift_move_stretches(TcsDrift *drift);

/* median_bound and worst_bound. */
void tcs_drift_sum_up(TcsDrift *drift);

G_END_DECLS

#endif
