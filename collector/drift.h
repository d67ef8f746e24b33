/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How an offset went over a log: its interval from moment to moment, and what a
 * picture marks besides. Numbers only; plot-drift.h draws them.
 */
#ifndef COLLECTOR_DRIFT_H
#define COLLECTOR_DRIFT_H

#include "log.h"
#include "model.h"

G_BEGIN_DECLS

/*
 * Moments are ns since the log's first sample (ticks of the host's counter
 * where no clock of the host tells how long one is). Offsets are what is left
 * of guest - host without the line and, where `stretches_apart`, without the
 * stretch's own level; ns or ticks.
 */
typedef struct {
    double at;
    double lo, hi;
} TcsDriftPoint;

/* Without a gap in between. */
typedef struct {
    GArray *points; /* of TcsDriftPoint, `at` ascending */
    double step;    /* from the stretch before to this one; 0 for the first */
} TcsDriftStretch;

typedef struct {
    double at;
    double lo, hi;
} TcsDriftSample;

typedef struct {
    double from, to;
} TcsDriftGap;

/* A change of the mapping of one or more vCPUs. */
typedef struct {
    double at;
    char *cause;
    guint vcpus;
} TcsDriftEpoch;

typedef struct {
    char *guest, *host; /* "guest:mono", "host:mono" */
    char *vm;
    gboolean is_ticks;   /* offsets are */
    gboolean has_no_ns;  /* moments are ticks */
    double span;         /* from the first sample to the last */
    gint64 level;        /* of the line, at the first known moment */
    double slope_ppm;    /* of the line: parts of a million of the host's */
    double median_bound; /* half of the points' are at most this */
    double worst_bound;
    guint n_samples;  /* of the log */
    guint n_unplaced; /* of those, without an interval of their own */
    gboolean stretches_apart;
    GPtrArray *stretches; /* of TcsDriftStretch */
    GArray *samples;      /* of TcsDriftSample: intervals of their own */
    GArray *gaps;         /* of TcsDriftGap */
    GArray *epochs;       /* of TcsDriftEpoch, ascending */
} TcsDrift;

/*
 * The clocks a picture shows where none are named: the first guest clock of
 * those most used that the log has, and the host's of the same name.
 * TCS_ERROR_REFUSED where there is none. The caller frees both.
 */
gboolean tcs_drift_default_clocks(TcsModel *model, const TcsLog *log,
                                  char **ret_guest, char **ret_host,
                                  GError **error);

/*
 * Of two clocks by their names in the model. TCS_ERROR_USAGE where these are no
 * guest's and host's; TCS_ERROR_REFUSED where they have no offset, the log has
 * fewer than two samples, or the offset is known nowhere.
 */
TcsDrift *tcs_drift_new(TcsModel *model, const TcsLog *log, const char *guest,
                        const char *host, GError **error);
void tcs_drift_free(TcsDrift *drift);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsDrift, tcs_drift_free)

G_END_DECLS

#endif
