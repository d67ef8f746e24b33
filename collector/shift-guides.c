/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See shift-guides.h.
 */
#include "shift-guides.h"

#include "shift-course.h"

/*
 * How long a stretch gives the slope: long against a reading's width, short
 * against the time in which NTP changes a rate. A second, or half of one.
 */
#define STRETCH ((guint64)1000000000)

/*
 * Readers multiply how far a stamp is from the guide's end by this rise, in 64
 * bits. A trace may begin long before its log: 2^43 ns are 2.4 hours. What the
 * rise is rounded by then is 0.5 ppm of the distance.
 */
#define RISE_MAX ((guint64)1 << 20)

/* Readings of a log differ in how tight they are; some are in no pair. */
#define GOOD 8

typedef TcsShiftPoint Point;

static guint64 apart(const Point *a, const Point *b)
{
    return a->time < b->time ? b->time - a->time : a->time - b->time;
}

/* Whether it is not known how the clocks ran from the one to the other. */
static gboolean is_gap_between(const GArray *gaps, const Point *a,
                               const Point *b)
{
    for (guint i = 0; i < gaps->len; i++) {
        const TcsShiftGap *gap = &g_array_index(gaps, TcsShiftGap, i);

        if (gap->from < MAX(a->time, b->time) &&
            gap->to > MIN(a->time, b->time)) {
            return TRUE;
        }
    }
    return FALSE;
}

/* The next anchor from index i on that is known well, or NULL. */
static const TcsShiftAnchor *next_good(const GArray *anchors, guint *i,
                                       gboolean at_last, guint64 width)
{
    while (*i < anchors->len) {
        const TcsShiftAnchor *anchor = &g_array_index(
            anchors, TcsShiftAnchor, at_last ? anchors->len - 1 - *i : *i);

        ++*i;
        if (anchor->width <= width) {
            return anchor;
        }
    }
    return NULL;
}

static guint64 good_width(const GArray *anchors)
{
    guint64 least = G_MAXUINT64 / GOOD;

    for (guint i = 0; i < anchors->len; i++) {
        least = MIN(least, g_array_index(anchors, TcsShiftAnchor, i).width);
    }
    return least * GOOD;
}

/* Shortens a stretch to one of the same slope that readers can prolong. */
static void shorten(guint64 *length, gint64 *rise)
{
    const guint64 whole = *length;
    const guint64 size = *rise < 0 ? -(guint64)*rise : (guint64)*rise;
    guint64 part;

    if (size > RISE_MAX) {
        *length = MAX((guint64)((unsigned __int128)whole * RISE_MAX / size), 1);
        part =
            (guint64)(((unsigned __int128)size * *length + whole / 2) / whole);
        *rise = *rise < 0 ? -(gint64)part : (gint64)part;
    }
}

/* Beyond `end`, in the direction of the outer of two points from the inner. */
static gboolean prolong(const Point *end, const Point *outer,
                        const Point *inner, Point *ret)
{
    const gboolean at_last = outer->time > inner->time;
    guint64 length = apart(outer, inner);
    gint64 rise;

    if (__builtin_sub_overflow(outer->offset, inner->offset, &rise)) {
        return FALSE;
    }
    shorten(&length, &rise);
    return (at_last ? !__builtin_add_overflow(end->time, length, &ret->time)
                    : !__builtin_sub_overflow(end->time, length, &ret->time)) &&
           !__builtin_add_overflow(end->offset, rise, &ret->offset) &&
           (at_last ? tcs_shift_product_fits(*end, *ret)
                    : tcs_shift_product_fits(*ret, *end));
}

/* FALSE where there is none that readers can take. */
static gboolean find_guide(const Point *end, const GArray *gaps,
                           const GArray *anchors, gboolean at_last, Point *ret)
{
    const guint64 width = good_width(anchors);
    guint i = 0;
    const TcsShiftAnchor *outer = next_good(anchors, &i, at_last, width);
    const TcsShiftAnchor *inner;
    gboolean found = FALSE;
    Point guide;

    if (!outer || is_gap_between(gaps, &outer->point, end)) {
        return FALSE;
    }
    while ((inner = next_good(anchors, &i, at_last, width))) {
        const guint64 length = apart(&inner->point, &outer->point);

        if ((found && length > 2 * STRETCH) ||
            is_gap_between(gaps, &inner->point, &outer->point) ||
            !prolong(end, &outer->point, &inner->point, &guide)) {
            break;
        }
        *ret = guide;
        found = TRUE;
        if (length >= STRETCH) {
            break;
        }
    }
    return found;
}

GArray *tcs_shift_guided(const GArray *points, const GArray *gaps,
                         const GArray *anchors)
{
    const Point *first = &g_array_index(points, Point, 0);
    const Point *last = &g_array_index(points, Point, points->len - 1);
    GArray *guided = g_array_new(FALSE, FALSE, sizeof(Point));
    Point guide;

    if (find_guide(first, gaps, anchors, FALSE, &guide)) {
        g_array_append_val(guided, guide);
    }
    g_array_append_vals(guided, points->data, points->len);
    if (find_guide(last, gaps, anchors, TRUE, &guide)) {
        g_array_append_val(guided, guide);
    }
    return guided;
}
