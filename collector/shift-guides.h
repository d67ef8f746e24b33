/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reader is to do with stamps from before a log and from after it. It
 * prolongs the outermost segment, which may be as short as one sample and then
 * has any slope; so one more point at each end leads it along a longer stretch.
 */
#ifndef COLLECTOR_SHIFT_GUIDES_H
#define COLLECTOR_SHIFT_GUIDES_H

#include "shift-table.h"

G_BEGIN_DECLS

/* A moment of the log; `point` is right within +/- width. */
typedef struct {
    struct tcs_trace_dat_point point;
    guint64 width;
} TcsShiftAnchor;

/*
 * The table's points with those guides; an array of struct tcs_trace_dat_point.
 * `anchors`, of TcsShiftAnchor, are in ascending order. Nothing is claimed of
 * what lies beyond the table's own points.
 */
GArray *tcs_shift_guided(const GArray *points, const GArray *gaps,
                         const GArray *anchors);

G_END_DECLS

#endif
