/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relation of two recorded clocks as points to interpolate between: what
 * trace.dat's readers take. Built on model.h alone.
 */
#ifndef COLLECTOR_SHIFT_TABLE_H
#define COLLECTOR_SHIFT_TABLE_H

#include "formats/trace-dat.h"
#include "model.h"

G_BEGIN_DECLS

/* Stamps in between have no known time; a reader interpolates. */
typedef struct {
    guint64 from;
    guint64 to;
} TcsShiftGap;

typedef struct {
    GArray *points; /* of struct tcs_trace_dat_point, at least 2 */
    GArray *guided; /* those, and what leads readers beyond: shift-guides.h */
    GArray *gaps;   /* of TcsShiftGap */
    /*
     * For each segment between two points, a guint64: what a reader makes of a
     * stamp in it is at most so far from the truth, in the unit of the clock
     * that is shifted to. G_MAXUINT64 in a gap.
     */
    GArray *bounds;
} TcsShiftTable;

/*
 * From a guest's clock to a host's, over all of the log. TCS_ERROR_REFUSED
 * where no such table can be true: the clock was set back, or is not known
 * anywhere.
 */
TcsShiftTable *tcs_shift_table_new(TcsModel *model, const TcsLog *log,
                                   const TcsModelClock *from,
                                   const TcsModelClock *to, GError **error);
void tcs_shift_table_free(TcsShiftTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsShiftTable, tcs_shift_table_free)

/*
 * The bound for what a reader shows as `shown`; G_MAXUINT64 in a gap and
 * outside the points.
 */
guint64 tcs_shift_table_bound_at(const TcsShiftTable *table, guint64 shown);

/*
 * The bound that holds for this part of the time (0 to 1) between the first
 * point and the last, gaps left out; 1 is the largest.
 */
guint64 tcs_shift_table_bound_for(const TcsShiftTable *table, double part);

/* Guided points as the writer takes them; borrows from the table. */
struct tcs_trace_dat_shift tcs_shift_table_shift(const TcsShiftTable *table);

G_END_DECLS

#endif
