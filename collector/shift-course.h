/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points of a shift table, and how good the straight line between two of them
 * is, by the model. For shift-table.c.
 */
#ifndef COLLECTOR_SHIFT_COURSE_H
#define COLLECTOR_SHIFT_COURSE_H

#include "formats/trace-dat.h"
#include "model.h"

G_BEGIN_DECLS

typedef struct {
    const TcsModel *model;
    const TcsModelClock *counter; /* the host's */
    const TcsModelClock *from;
    const TcsModelClock *to;
    guint64 least_width; /* of what the log knows at its samples */
} TcsShiftCourse;

typedef struct tcs_trace_dat_point TcsShiftPoint;

/* The point at a stamp of `from`: FALSE and the error set where unknown. */
gboolean tcs_shift_point_at(const TcsShiftCourse *c, guint64 time,
                            TcsShiftPoint *ret, GError **error);

/* What `from` most likely showed at a host counter value, and the point there.
 */
gboolean tcs_shift_stamp_near(const TcsShiftCourse *c, guint64 ticks,
                              guint64 *ret, GError **error);
gboolean tcs_shift_point_near(const TcsShiftCourse *c, guint64 ticks,
                              TcsShiftPoint *ret, GError **error);

/* Whether readers can interpolate between two points without an overflow. */
gboolean tcs_shift_product_fits(TcsShiftPoint a, TcsShiftPoint b);

/*
 * Whether the straight line from `first` to `last` is nearly what is most
 * likely between two stamps, with no corner of the course in between. How far a
 * reader may be from the truth there goes to *ret_error; G_MAXUINT64: unknown.
 */
gboolean tcs_shift_is_good_between(const TcsShiftCourse *c, TcsShiftPoint first,
                                   TcsShiftPoint last, guint64 from, guint64 to,
                                   guint64 *ret_error);

/*
 * Whether one bound can be told of a stretch with such errors: it is the
 * largest, and must not be told of much that is known far better.
 */
gboolean tcs_shift_is_alike(const TcsShiftCourse *c, guint64 least,
                            guint64 largest);

/* The same from the one to the other, and readers can read it. */
gboolean tcs_shift_is_straight(const TcsShiftCourse *c, TcsShiftPoint first,
                               TcsShiftPoint last, guint64 *ret_error);

G_END_DECLS

#endif
