/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One straight line for the relation of two clocks over a whole recording, for
 * formats that take no more, and how far that is from the truth. Pure.
 */
#ifndef COLLECTOR_EXPORT_LINE_H
#define COLLECTOR_EXPORT_LINE_H

#include "shift-table.h"

G_BEGIN_DECLS

/* to + slope * (stamp - from); the stamps' difference modulo 2^64, signed. */
typedef struct {
    guint64 from;
    guint64 to;
    long double slope;
} TcsLine;

/*
 * The slope over the table's longest stretch without a gap, in units of the
 * clock that is shifted to per unit of the other.
 */
long double tcs_line_slope(const TcsShiftTable *table);

/*
 * The line of this slope nearest to the tables' longest stretches (of
 * TcsShiftTable, at least one), where a stamp counts the more the better it is
 * known.
 */
TcsLine tcs_line_fit(const GPtrArray *tables, long double slope);

/*
 * How far apart lines of this slope are that are fitted to each table alone.
 */
guint64 tcs_line_spread(const GPtrArray *tables, long double slope);

/* What a reader makes of a stamp: linear but for its rounding. */
typedef guint64 (*TcsReader)(guint64 stamp, gconstpointer data);

/*
 * The largest distance between what a reader shows and the truth, for stamps
 * from `from` to `to` where the table has a bound; 0 where it has none there.
 * `rounding`: how far the reader may be from its own line.
 */
guint64 tcs_line_error_within(const TcsShiftTable *table, guint64 from,
                              guint64 to, TcsReader reader, gconstpointer data,
                              guint64 rounding);

/* An error that some time of a recording has. */
typedef struct {
    guint64 error, time;
} TcsErrorShare;

/* The largest error of the better half of the time; sorts the shares. */
guint64 tcs_line_better_half(GArray *shares);

/* The largest distance from the truth, */
typedef struct {
    guint64 worst;     /* in the tables' longest stretches, */
    guint64 half;      /* for the better half of their time, */
    guint64 elsewhere; /* and in other stretches; 0 where there are none. */
} TcsLineError;

TcsLineError tcs_line_error(const GPtrArray *tables, TcsReader reader,
                            gconstpointer data, guint64 rounding);

/* The largest stamp that the tables shift, and the largest it is shifted to. */
guint64 tcs_line_last_stamp(const GPtrArray *tables);
guint64 tcs_line_last_shown(const GPtrArray *tables);

G_END_DECLS

#endif
