/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See shift-table.h. The log's samples are walked by host counter, which never
 * runs backward; at each step the guest's clock is looked up, and what the
 * host's clock showed then.
 */
#include "shift-table.h"

#include "error.h"
#include "shift-course.h"
#include "shift-guides.h"

/* Steps between two samples: a clock's course bends in between. */
#define STEPS 4

/* Halvings of a segment, at most. */
#define DEPTH_MAX 12

/* Points one segment may replace. */
#define MERGE_MAX 64

typedef struct {
    TcsShiftCourse course;
    TcsShiftTable *table;
    GArray *gap_before; /* gboolean for each point: it follows a gap */
    guint64 reached;    /* by `from`, at least */
} Builder;

typedef TcsShiftPoint Point;

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
        !tcs_shift_is_straight(&b->course, first, last, &error) &&
        tcs_shift_point_at(&b->course,
                           first.time + (last.time - first.time) / 2, &middle,
                           NULL)) {
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

        if (tcs_shift_point_near(&b->course, middle, &at, NULL)) {
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

    if (tcs_model_convert(b->course.model, b->course.counter, b->course.from,
                          ticks, &lo, &hi, NULL)) {
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

static gboolean ran(const TcsLog *log, guint i)
{
    const TcsSample *sample = g_ptr_array_index(log->samples, i);

    return sample->qmp_before->running || sample->qmp_after->running;
}

/*
 * The guest makes no stamps while it does not run: neither on the QEMU that
 * waits for it to come by migration, nor on the one that it has left, and what
 * their vCPUs' counters are mapped to then is of no use. From the sample before
 * the first in which it ran to the one after the last.
 */
static void find_life(const TcsLog *log, guint *ret_first, guint *ret_last)
{
    guint first = 0, last = log->samples->len - 1;

    while (first < last && !ran(log, first)) {
        first++;
    }
    while (last > first && !ran(log, last)) {
        last--;
    }
    if (!ran(log, first)) {
        first = 0; /* it was paused all the time */
        last = log->samples->len - 1;
    }
    *ret_first = first > 0 ? first - 1 : 0;
    *ret_last = MIN(last + 1, log->samples->len - 1);
}

static guint64 least_width(const Builder *b, const TcsLog *log)
{
    guint64 least = G_MAXUINT64, stamp, lo, hi;

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        if (tcs_shift_stamp_near(&b->course, sample->window.lo.ticks, &stamp,
                                 NULL) &&
            tcs_model_convert(b->course.model, b->course.from, b->course.to,
                              stamp, &lo, &hi, NULL)) {
            least = MIN(least, hi - lo);
        }
    }
    return least;
}

static gboolean walk(Builder *b, const TcsLog *log, GError **error)
{
    Step from = { 0 };
    guint first, last;

    b->course.least_width = least_width(b, log);
    find_life(log, &first, &last);
    for (guint i = first; i <= last; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const guint64 until = sample->window.hi.ticks;
        const guint64 start = i > first ? from.ticks : sample->window.lo.ticks;

        for (guint s = i > first ? 1 : 0; s <= STEPS; s++) {
            Step to = { .ticks = start + (until - start) / STEPS * s };

            if (until <= start && s > 0) {
                break;
            }
            to.known =
                tcs_shift_point_near(&b->course, to.ticks, &to.point, NULL);
            if (i == first && s == 0) {
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
    gboolean good = tcs_shift_product_fits(points[i], points[last]);

    guint64 least = G_MAXUINT64;

    *ret_error = 0;
    for (guint k = i + 1; k <= last && good; k++) {
        guint64 error = 0;

        good = !g_array_index(b->gap_before, gboolean, k) &&
               tcs_shift_is_good_between(&b->course, points[i], points[last],
                                         points[k - 1].time, points[k].time,
                                         &error);
        *ret_error = MAX(*ret_error, error);
        least = MIN(least, error);
    }
    return good && tcs_shift_is_alike(&b->course, least, *ret_error);
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
            tcs_shift_is_straight(&b->course, g_array_index(old, Point, i),
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

/* The moments of samples: between them less is known. */
static GArray *list_anchors(const Builder *b, const TcsLog *log)
{
    const GArray *points = b->table->points;
    const guint64 last = g_array_index(points, Point, points->len - 1).time;
    GArray *anchors = g_array_new(FALSE, FALSE, sizeof(TcsShiftAnchor));
    guint64 from = g_array_index(points, Point, 0).time, lo, hi;

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        TcsShiftAnchor anchor;

        if (tcs_shift_point_near(&b->course, sample->window.lo.ticks,
                                 &anchor.point, NULL) &&
            anchor.point.time >= from && anchor.point.time <= last &&
            tcs_model_convert(b->course.model, b->course.from, b->course.to,
                              anchor.point.time, &lo, &hi, NULL)) {
            anchor.width = hi - lo;
            from = anchor.point.time + 1;
            g_array_append_val(anchors, anchor);
        }
    }
    return anchors;
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
    g_autoptr(GArray) anchors = NULL;
    Builder builder = { .course = { .model = model,
                                    .counter =
                                        tcs_model_find(model, name, error),
                                    .from = from,
                                    .to = to },
                        .table = table,
                        .gap_before = gap_before };

    table->points = g_array_new(FALSE, FALSE, sizeof(Point));
    table->gaps = g_array_new(FALSE, FALSE, sizeof(TcsShiftGap));
    table->bounds = g_array_new(FALSE, FALSE, sizeof(guint64));
    if (!builder.course.counter || !walk(&builder, log, error)) {
        return NULL;
    }
    if (table->points->len < 2) {
        Point point;

        /* Its reason, at a moment in the middle of the log. */
        if (tcs_shift_point_near(&builder.course, first->window.lo.ticks,
                                 &point, error)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the log has one sample only; it takes two");
        }
        return NULL;
    }
    merge(&builder);
    anchors = list_anchors(&builder, log);
    table->guided = tcs_shift_guided(table->points, table->gaps, anchors);
    return g_steal_pointer(&table);
}

void tcs_shift_table_free(TcsShiftTable *table)
{
    if (table) {
        g_clear_pointer(&table->points, g_array_unref);
        g_clear_pointer(&table->guided, g_array_unref);
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
        (const struct tcs_trace_dat_point *)table->guided->data,
        table->guided->len
    };
}
