/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See shift-table.h. The log's samples are walked by host counter, which never
 * runs backward; at each step the guest's clock is looked up, and what the
 * host's clock showed then.
 */
#include "shift-table.h"

#include <math.h>

#include "error.h"

/* Steps between two samples: a clock's course bends in between. */
#define STEPS 4

/* What lies between two points of the walk is looked at here, in parts. */
#define PROBES 8

/* Halvings of a segment, at most. */
#define DEPTH_MAX 12

/*
 * (time step) * (offset step) stays below; readers overflow at 2^63, and an
 * event some segments beyond the last point is to be readable as well.
 */
#define PRODUCT_MAX ((guint64)1 << 60)

/* Points one segment may replace. */
#define MERGE_MAX 64

typedef struct {
    const TcsModel *model;
    const TcsModelClock *counter; /* the host's */
    const TcsModelClock *from;
    const TcsModelClock *to;
    TcsShiftTable *table;
    GArray *gap_before; /* gboolean for each point: it follows a gap */
    guint64 reached;    /* by `from`, at least */
} Builder;

typedef struct tcs_trace_dat_point Point;

static guint64 centre(guint64 lo, guint64 hi)
{
    return lo + (hi - lo) / 2;
}

/* The point at a guest stamp. */
static gboolean point_at(const Builder *b, guint64 time, Point *ret,
                         GError **error)
{
    guint64 lo, hi;

    if (!tcs_model_convert(b->model, b->from, b->to, time, &lo, &hi, error)) {
        return FALSE;
    }
    ret->time = time;
    /* Modulo 2^64, as readers add it. */
    ret->offset = (gint64)(centre(lo, hi) - time);
    return TRUE;
}

/* The point at about a host counter value. */
static gboolean point_near(const Builder *b, guint64 ticks, Point *ret,
                           GError **error)
{
    guint64 lo, hi;

    return tcs_model_convert(b->model, b->counter, b->from, ticks, &lo, &hi,
                             error) &&
           point_at(b, centre(lo, hi), ret, error);
}

static gboolean product_fits(Point a, Point b)
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
 * at a stamp. FALSE: unknown there.
 */
static gboolean error_at(const Builder *b, Point first, Point last,
                         guint64 time, guint64 *ret_error, guint64 *ret_width)
{
    const Point points[] = { first, last };
    const struct tcs_trace_dat_shift shift = { points, 2 };
    guint64 lo, hi, shown;

    if (!tcs_model_convert(b->model, b->from, b->to, time, &lo, &hi, NULL) ||
        tcs_trace_dat_corrected(shift, time, &shown) < 0) {
        return FALSE;
    }
    *ret_width = hi - lo;
    *ret_error = shown > hi   ? shown - lo
                 : shown < lo ? hi - shown
                              : MAX(hi - shown, shown - lo);
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

/*
 * Whether the straight line from `first` to `last` is nearly as good as the
 * model itself between two stamps, with no point of the walk in between. Its
 * error there goes to *ret_error.
 */
static gboolean is_good_between(const Builder *b, Point first, Point last,
                                guint64 from, guint64 to, guint64 *ret_error)
{
    const guint64 rounding = first.offset == last.offset ? 0 : READER_ROUNDING;
    guint64 errors[PROBES + 1], width, largest;
    gboolean good = TRUE;
    guint n = 0;

    for (guint i = 0; i <= PROBES; i++) {
        const guint64 at =
            from + (guint64)((unsigned __int128)(to - from) * i / PROBES);

        if (error_at(b, first, last, at, &errors[n], &width)) {
            good = good && errors[n] <= width / 2 + width / 16 + 2;
            n++;
        } else {
            good = FALSE;
        }
    }
    if (n <= PROBES) {
        *ret_error = G_MAXUINT64; /* unknown somewhere: nothing to claim */
    } else {
        largest = peak(errors, n);
        *ret_error =
            largest > G_MAXUINT64 - rounding ? G_MAXUINT64 : largest + rounding;
    }
    return good;
}

static gboolean is_straight(const Builder *b, Point first, Point last,
                            guint64 *ret_error)
{
    return is_good_between(b, first, last, first.time, last.time, ret_error) &&
           product_fits(first, last);
}

static void append(Builder *b, Point point, gboolean gap_before)
{
    g_array_append_val(b->table->points, point);
    g_array_append_val(b->gap_before, gap_before);
}

/* Adds `last`, and before it what is needed since `first`. */
static void refine(Builder *b, Point first, Point last, guint depth)
{
    guint64 error;
    Point middle;

    if (depth < DEPTH_MAX && last.time - first.time > 1 &&
        !is_straight(b, first, last, &error) &&
        point_at(b, first.time + (last.time - first.time) / 2, &middle, NULL)) {
        refine(b, first, middle, depth + 1);
        refine(b, middle, last, depth + 1);
    } else {
        append(b, last, FALSE);
    }
}

/*
 * The last host counter value in [known, unknown) (or (unknown, known]) at
 * which both clocks are known.
 */
static Point gap_edge(const Builder *b, guint64 known, guint64 unknown,
                      Point point)
{
    while ((known < unknown ? unknown - known : known - unknown) > 1) {
        guint64 middle = known < unknown ? known + (unknown - known) / 2
                                         : unknown + (known - unknown) / 2;
        Point at;

        if (point_near(b, middle, &at, NULL)) {
            known = middle;
            point = at;
        } else {
            unknown = middle;
        }
    }
    return point;
}

static gboolean set_backward(guint64 before, guint64 after, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "the guest's clock was set back during the recording, from "
                "%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                ": one stamp may mean two moments. Record log and traces anew, "
                "after the reset that did it, or with a clock that is not set",
                before, after);
    return FALSE;
}

/*
 * A clock that was set back showed some values twice. The model does not know
 * those, and so neither the step; the values around it tell.
 */
static gboolean check_forward(Builder *b, guint64 ticks, GError **error)
{
    guint64 lo, hi;

    if (tcs_model_convert(b->model, b->counter, b->from, ticks, &lo, &hi,
                          NULL)) {
        if (hi < b->reached) {
            return set_backward(b->reached, hi, error);
        }
        b->reached = MAX(b->reached, lo);
    }
    return TRUE;
}

/* The next step of the walk: a point, or not. */
typedef struct {
    guint64 ticks;
    gboolean known;
    Point point;
} Step;

static gboolean take_step(Builder *b, const Step *from, const Step *to,
                          GError **error)
{
    const GArray *points = b->table->points;
    Point last = { 0 }, next = to->point;

    if (points->len > 0) {
        last = g_array_index(points, Point, points->len - 1);
    }
    if (!to->known) {
        if (from->known) {
            next = gap_edge(b, from->ticks, to->ticks, from->point);
            if (next.time > last.time) {
                refine(b, last, next, 0);
            }
        }
        return TRUE;
    }
    if (!from->known) {
        next = gap_edge(b, to->ticks, from->ticks, to->point);
        if (points->len > 0 && next.time <= last.time) {
            return set_backward(last.time, next.time, error);
        }
        append(b, next, points->len > 0);
        last = next;
        next = to->point;
    }
    if (next.time < last.time) {
        /* Readings are intervals: a clock that stands is no clock set back. */
        return last.time - next.time <= 1 ||
               set_backward(last.time, next.time, error);
    }
    if (next.time > last.time) {
        refine(b, last, next, 0);
    }
    return TRUE;
}

static gboolean walk(Builder *b, const TcsLog *log, GError **error)
{
    Step from = { 0 };

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const guint64 until = sample->window.hi.ticks;
        const guint64 start = i ? from.ticks : sample->window.lo.ticks;

        for (guint s = i ? 1 : 0; s <= STEPS; s++) {
            Step to = { .ticks = start + (until - start) / STEPS * s };

            if (until <= start && s > 0) {
                break;
            }
            to.known = point_near(b, to.ticks, &to.point, NULL);
            if (i == 0 && s == 0) {
                from = (Step){ .ticks = to.ticks };
            }
            if (!check_forward(b, to.ticks, error) ||
                !take_step(b, &from, &to, error)) {
                return FALSE;
            }
            from = to;
        }
    }
    return TRUE;
}

/*
 * Whether one segment serves for those between points i and last; its error
 * goes to *ret_error.
 */
static gboolean can_replace(const Builder *b, guint i, guint last,
                            guint64 *ret_error)
{
    const Point *points = (const Point *)b->table->points->data;
    gboolean good = product_fits(points[i], points[last]);

    *ret_error = 0;
    for (guint k = i + 1; k <= last && good; k++) {
        guint64 error = 0;

        good = !g_array_index(b->gap_before, gboolean, k) &&
               is_good_between(b, points[i], points[last], points[k - 1].time,
                               points[k].time, &error);
        *ret_error = MAX(*ret_error, error);
    }
    return good;
}

/* Leaves out points that a straight segment serves as well. */
static void merge(Builder *b)
{
    GArray *old = b->table->points;
    GArray *kept = g_array_new(FALSE, FALSE, sizeof(Point));
    guint i = 0;

    g_array_append_val(kept, g_array_index(old, Point, 0));
    while (i + 1 < old->len) {
        guint next = i + 1;
        guint64 error, of_more;

        if (g_array_index(b->gap_before, gboolean, next)) {
            TcsShiftGap gap = { g_array_index(old, Point, i).time,
                                g_array_index(old, Point, next).time };

            g_array_append_val(b->table->gaps, gap);
            error = G_MAXUINT64;
        } else {
            is_straight(b, g_array_index(old, Point, i),
                        g_array_index(old, Point, next), &error);
            for (guint step = 2; step <= MERGE_MAX && i + step < old->len &&
                                 can_replace(b, i, i + step, &of_more);
                 step *= 2) {
                next = i + step;
                error = of_more;
            }
        }
        g_array_append_val(b->table->bounds, error);
        g_array_append_val(kept, g_array_index(old, Point, next));
        i = next;
    }
    g_array_unref(old);
    b->table->points = kept;
}

TcsShiftTable *tcs_shift_table_new(TcsModel *model, const TcsLog *log,
                                   const TcsModelClock *from,
                                   const TcsModelClock *to, GError **error)
{
    g_autoptr(TcsShiftTable) table = g_new0(TcsShiftTable, 1);
    const TcsSample *first = g_ptr_array_index(log->samples, 0);
    g_autofree char *name =
        g_strconcat("host:", first->qmp_before->counter, NULL);
    g_autoptr(GArray) gap_before = g_array_new(FALSE, FALSE, sizeof(gboolean));
    Builder builder = { .model = model,
                        .counter = tcs_model_find(model, name, error),
                        .from = from,
                        .to = to,
                        .table = table,
                        .gap_before = gap_before };

    table->points = g_array_new(FALSE, FALSE, sizeof(Point));
    table->gaps = g_array_new(FALSE, FALSE, sizeof(TcsShiftGap));
    table->bounds = g_array_new(FALSE, FALSE, sizeof(guint64));
    if (!builder.counter || !walk(&builder, log, error)) {
        return NULL;
    }
    if (table->points->len < 2) {
        Point point;

        /* Its reason, at a moment in the middle of the log. */
        if (point_near(&builder, first->window.lo.ticks, &point, error)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the log has one sample only; it takes two");
        }
        return NULL;
    }
    merge(&builder);
    return g_steal_pointer(&table);
}

void tcs_shift_table_free(TcsShiftTable *table)
{
    if (table) {
        g_clear_pointer(&table->points, g_array_unref);
        g_clear_pointer(&table->gaps, g_array_unref);
        g_clear_pointer(&table->bounds, g_array_unref);
        g_free(table);
    }
}

static guint64 shown_at(const TcsShiftTable *table, guint i)
{
    const Point *point = &g_array_index(table->points, Point, i);

    return point->time + (guint64)point->offset;
}

guint64 tcs_shift_table_bound_at(const TcsShiftTable *table, guint64 shown)
{
    guint lo = 0, hi = table->points->len - 1;

    if (shown < shown_at(table, lo) || shown > shown_at(table, hi)) {
        return G_MAXUINT64;
    }
    while (hi - lo > 1) {
        guint middle = lo + (hi - lo) / 2;

        if (shown_at(table, middle) <= shown) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return g_array_index(table->bounds, guint64, lo);
}

typedef struct {
    guint64 bound;
    double time;
} Share;

static gint compare_shares(gconstpointer a, gconstpointer b)
{
    const guint64 x = ((const Share *)a)->bound, y = ((const Share *)b)->bound;

    return x < y ? -1 : x > y;
}

guint64 tcs_shift_table_bound_for(const TcsShiftTable *table, double part)
{
    g_autoptr(GArray) shares = g_array_new(FALSE, FALSE, sizeof(Share));
    double all = 0, so_far = 0;
    guint i;

    for (i = 0; i < table->bounds->len; i++) {
        Share share = { g_array_index(table->bounds, guint64, i),
                        (double)(shown_at(table, i + 1) - shown_at(table, i)) };

        if (share.bound != G_MAXUINT64) {
            g_array_append_val(shares, share);
            all += share.time;
        }
    }
    if (shares->len == 0) {
        return G_MAXUINT64;
    }
    g_array_sort(shares, compare_shares);
    for (i = 0; i + 1 < shares->len; i++) {
        so_far += g_array_index(shares, Share, i).time;
        if (so_far >= part * all && part < 1) {
            break;
        }
    }
    return g_array_index(shares, Share, i).bound;
}

struct tcs_trace_dat_shift tcs_shift_table_shift(const TcsShiftTable *table)
{
    return (struct tcs_trace_dat_shift){
        (const struct tcs_trace_dat_point *)table->points->data,
        table->points->len
    };
}
