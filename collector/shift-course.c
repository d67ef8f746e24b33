/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See shift-course.h.
 */
#include "shift-course.h"

#include <math.h>

/* What lies between two points of the walk is looked at here, in parts. */
#define PROBES 8

/*
 * (time step) * (offset step) stays below; readers overflow at 2^63, and an
 * event some segments beyond the last point is to be readable as well.
 */
#define PRODUCT_MAX ((guint64)1 << 60)

/* The point at a guest stamp. */
gboolean tcs_shift_point_at(const TcsShiftCourse *c, guint64 time,
                            TcsShiftPoint *ret, GError **error)
{
    guint64 lo, hi, likely;

    if (!tcs_model_convert_likely(c->model, c->from, c->to, time, &lo, &hi,
                                  &likely, error)) {
        return FALSE;
    }
    ret->time = time;
    /* Modulo 2^64, as readers add it. */
    ret->offset = (gint64)(likely - time);
    return TRUE;
}

/* What `from` showed at a host counter value. */
gboolean tcs_shift_stamp_near(const TcsShiftCourse *c, guint64 ticks,
                              guint64 *ret, GError **error)
{
    guint64 lo, hi;

    return tcs_model_convert_likely(c->model, c->counter, c->from, ticks, &lo,
                                    &hi, ret, error);
}

/* The point at about a host counter value. */
gboolean tcs_shift_point_near(const TcsShiftCourse *c, guint64 ticks,
                              TcsShiftPoint *ret, GError **error)
{
    guint64 stamp;

    return tcs_shift_stamp_near(c, ticks, &stamp, error) &&
           tcs_shift_point_at(c, stamp, ret, error);
}

gboolean tcs_shift_product_fits(TcsShiftPoint a, TcsShiftPoint b)
{
    gint64 rise;
    guint64 product;

    return !__builtin_sub_overflow(b.offset, a.offset, &rise) &&
           !__builtin_mul_overflow(b.time - a.time,
                                   rise < 0 ? -(guint64)rise : (guint64)rise,
                                   &product) &&
           product < PRODUCT_MAX;
}

/*
 * How far a reader that interpolates between two points may be from the truth
 * at a stamp, and whether it shows nearly what is most likely. FALSE: unknown
 * there.
 */
static gboolean error_at(const TcsShiftCourse *c, TcsShiftPoint first,
                         TcsShiftPoint last, guint64 time, guint64 *ret_error,
                         gboolean *ret_good)
{
    const TcsShiftPoint points[] = { first, last };
    const struct tcs_trace_dat_shift shift = { points, 2 };
    guint64 lo, hi, likely, shown;

    if (!tcs_model_convert_likely(c->model, c->from, c->to, time, &lo, &hi,
                                  &likely, NULL) ||
        tcs_trace_dat_corrected(shift, time, &shown) < 0) {
        return FALSE;
    }
    *ret_error = shown > hi   ? shown - lo
                 : shown < lo ? hi - shown
                              : MAX(hi - shown, shown - lo);
    /* Where little is promised the line still goes by what is likely. */
    *ret_good = (shown > likely ? shown - likely : likely - shown) <=
                MIN((hi - lo) / 16, c->least_width) + 2;
    return TRUE;
}

/*
 * Readers round to between 0.5 below and 1.5 above the line, and at other
 * stamps otherwise than at those looked at; where offsets do not change, not at
 * all.
 */
#define READER_ROUNDING 2

/*
 * The largest of values at equal distances, and in between: where a course
 * bends it reaches at most as far as the lines on either side of the bend.
 */
static guint64 peak(const guint64 *values, guint n)
{
    double largest = 0;

    for (guint i = 0; i < n; i++) {
        largest = MAX(largest, (double)values[i]);
    }
    for (guint i = 0; i + 1 < n; i++) {
        const double here = (double)values[i], next = (double)values[i + 1];
        const double rise = i ? here - (double)values[i - 1] : 0;
        const double fall = i + 2 < n ? next - (double)values[i + 2] : 0;

        if (i == 0) {
            largest = MAX(largest, next + fall);
        } else if (i + 2 == n) {
            largest = MAX(largest, here + rise);
        } else if (rise + fall > 0) {
            const double part = (next + fall - here) / (rise + fall);

            if (part > 0 && part < 1) {
                largest = MAX(largest, here + rise * part);
            }
        }
    }
    return largest < 0x1p64 ? (guint64)ceil(largest) : G_MAXUINT64;
}

gboolean tcs_shift_is_alike(const TcsShiftCourse *c, guint64 least,
                            guint64 largest)
{
    return largest / 2 <= least + c->least_width + READER_ROUNDING;
}

/*
 * Whether the straight line from `first` to `last` is nearly as good as the
 * model itself between two stamps, with no point of the walk in between. Its
 * error there goes to *ret_error.
 */
gboolean tcs_shift_is_good_between(const TcsShiftCourse *c, TcsShiftPoint first,
                                   TcsShiftPoint last, guint64 from, guint64 to,
                                   guint64 *ret_error)
{
    const guint64 rounding = first.offset == last.offset ? 0 : READER_ROUNDING;
    guint64 errors[PROBES + 1], largest, least = G_MAXUINT64;
    gboolean good = TRUE, good_here;
    guint n = 0;

    for (guint i = 0; i <= PROBES; i++) {
        const guint64 at =
            from + (guint64)((unsigned __int128)(to - from) * i / PROBES);

        if (error_at(c, first, last, at, &errors[n], &good_here)) {
            good = good && good_here;
            least = MIN(least, errors[n]);
            n++;
        } else {
            good = FALSE;
        }
    }
    if (n <= PROBES) {
        *ret_error = G_MAXUINT64; /* unknown somewhere: nothing to claim */
    } else {
        largest = peak(errors, n);
        good = good && tcs_shift_is_alike(c, least, largest);
        *ret_error =
            largest > G_MAXUINT64 - rounding ? G_MAXUINT64 : largest + rounding;
    }
    return good;
}

gboolean tcs_shift_is_straight(const TcsShiftCourse *c, TcsShiftPoint first,
                               TcsShiftPoint last, guint64 *ret_error)
{
    return tcs_shift_is_good_between(c, first, last, first.time, last.time,
                                     ret_error) &&
           tcs_shift_product_fits(first, last);
}
