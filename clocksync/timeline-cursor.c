/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See timeline-cursor.h. A piece is only made where exactly one interval
 * decides, so that its two readings and its rates are all there is to the
 * answer; its ends are where other intervals, brackets or stretches begin to
 * matter. Everywhere else the plain functions answer.
 */
#include "timeline-cursor.h"

#include "timeline-impl.h"

/* A piece's numbers stay below, so that no sum of two overflows. */
#define LIMIT ((int64_t)1 << 61)

void tcs_timeline_cursor_init(struct tcs_timeline_cursor *cursor,
                              const struct tcs_timeline *timeline)
{
    *cursor = (struct tcs_timeline_cursor){
        .timeline = timeline,
        .at = { .from = 0, .to = -1 },
        .when = { .from = 0, .to = -1 },
    };
}

/* A question at or after `origin`. */
static inline int64_t ahead(const struct tcs_timeline_fan *fan, int64_t x,
                            bool up)
{
    uint64_t distance = (uint64_t)(x - fan->origin);

    return fan->base + (int64_t)(up ? tcs_ratio_ceil(&fan->ratio, distance)
                                    : tcs_ratio_floor(&fan->ratio, distance));
}

/* At or before `origin`: rounding turns round with the sign. */
static inline int64_t back(const struct tcs_timeline_fan *fan, int64_t x,
                           bool up)
{
    uint64_t distance = (uint64_t)(fan->origin - x);

    return fan->base - (int64_t)(up ? tcs_ratio_floor(&fan->ratio, distance)
                                    : tcs_ratio_ceil(&fan->ratio, distance));
}

static inline bool holds(const struct tcs_timeline_piece *piece, int64_t lo,
                         int64_t hi)
{
    return lo >= piece->from && hi <= piece->to;
}

/* False where nothing is left between `least` and `most`. */
static inline bool answer(const struct tcs_timeline_piece *piece, int64_t lo,
                          int64_t hi, int64_t *ret_lo, int64_t *ret_hi)
{
    int64_t a = ahead(&piece->left_lo, lo, false);
    int64_t b = back(&piece->right_lo, lo, false);
    int64_t c = ahead(&piece->left_hi, hi, true);
    int64_t d = back(&piece->right_hi, hi, true);

    a = a < b ? a : b;
    c = c > d ? c : d;
    *ret_lo = a > piece->least ? a : piece->least;
    *ret_hi = c < piece->most ? c : piece->most;
    return *ret_lo <= *ret_hi;
}

/* Whether all that a fan gives within a piece is small enough. */
static bool is_fan_small(const struct tcs_timeline_fan *fan,
                         const struct tcs_timeline_piece *piece)
{
    tcs_i128 far = (tcs_i128)fan->origin - piece->from;
    tcs_i128 other = (tcs_i128)piece->to - fan->origin;

    far = far > other ? far : other;
    return fan->origin > -LIMIT && fan->origin < LIMIT && fan->base > -LIMIT &&
           fan->base < LIMIT && far < LIMIT &&
           tcs_ratio_divide(&fan->ratio, (uint64_t)far, true) < LIMIT;
}

/* Takes a piece over if it is one. */
static bool keep(struct tcs_timeline_piece *kept,
                 const struct tcs_timeline_piece *piece)
{
    if (piece->from > piece->to || piece->from <= -LIMIT ||
        piece->to >= LIMIT || !is_fan_small(&piece->left_lo, piece) ||
        !is_fan_small(&piece->left_hi, piece) ||
        !is_fan_small(&piece->right_lo, piece) ||
        !is_fan_small(&piece->right_hi, piece)) {
        return false;
    }
    *kept = *piece;
    return true;
}

/* A rate whose both ends can be multiplied and divided by. */
static bool is_usable(struct tcs_rate_span rate)
{
    return rate.lo.ns > 0 && rate.lo.ticks > 0 && rate.hi.ns > 0 &&
           rate.hi.ticks > 0;
}

static bool are_ticks_small(const struct tcs_host_reading *right)
{
    return right->when.hi.ticks < (uint64_t)LIMIT;
}

static struct tcs_timeline_fan fan(tcs_i128 origin, int64_t base, uint64_t num,
                                   uint64_t den)
{
    return (struct tcs_timeline_fan){
        .origin = (int64_t)origin,
        .base = base,
        .ratio = tcs_ratio_new(num, den),
    };
}

/* Moments between the brackets of readings i and i + 1. */
static bool make_at(struct tcs_timeline_cursor *cursor, size_t i)
{
    const struct tcs_timeline *timeline = cursor->timeline;
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct tcs_rate_span rate;

    if (!are_ticks_small(right) || !tcs_timeline_course(timeline, i, &rate) ||
        !is_usable(rate)) {
        return false;
    }
    /* As tcs_host_reading_extrapolate(): a tick is an interval. */
    struct tcs_timeline_piece piece = {
        .from = (int64_t)left->when.hi.ticks + 1,
        .to = (int64_t)right->when.lo.ticks - 1,
        .least = INT64_MIN,
        .most = INT64_MAX,
        .left_lo = fan((tcs_i128)left->when.hi.ticks + 1, left->value.lo,
                       rate.lo.ns, rate.lo.ticks),
        .left_hi = fan((tcs_i128)left->when.lo.ticks - 1, left->value.hi,
                       rate.hi.ns, rate.hi.ticks),
        .right_lo = fan((tcs_i128)right->when.hi.ticks + 1, right->value.lo,
                        rate.hi.ns, rate.hi.ticks),
        .right_hi = fan((tcs_i128)right->when.lo.ticks - 1, right->value.hi,
                        rate.lo.ns, rate.lo.ticks),
    };

    return keep(&cursor->at, &piece);
}

/* The ns in which a clock leaves a reading's bracket, at the latest. */
static tcs_i128 way_out(const struct tcs_host_reading *reading,
                        struct tcs_rate rate)
{
    uint64_t width = reading->when.hi.ticks - reading->when.lo.ticks;

    return tcs_ceil_div(((tcs_i128)width + 1) * (tcs_i128)rate.ns, rate.ticks);
}

static tcs_i128 greater(tcs_i128 a, tcs_i128 b)
{
    return a > b ? a : b;
}

static tcs_i128 lesser(tcs_i128 a, tcs_i128 b)
{
    return a < b ? a : b;
}

/* Values that no interval but i, and neither side of the stretch, can have. */
static bool own_values(const struct tcs_timeline *timeline,
                       const struct tcs_timeline_stretch *stretch, size_t i,
                       int64_t *ret_from, int64_t *ret_to)
{
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *first = &timeline->readings[stretch->first];
    const struct tcs_host_reading *last = &timeline->readings[stretch->last];
    struct tcs_rate fastest = timeline->allowed.hi;
    tcs_i128 from = greater(left->value.hi, timeline->ahead_ns[i]);
    tcs_i128 to = lesser(left[1].value.lo, timeline->reached_ns[i]);

    from = greater(from, (tcs_i128)first->value.hi + way_out(first, fastest));
    to = lesser(to, (tcs_i128)last->value.lo - way_out(last, fastest));
    if (i > stretch->first) {
        from = greater(from, (tcs_i128)timeline->reached_ns[i - 1] + 1);
    }
    if (i + 1 < stretch->last) {
        to = lesser(to, (tcs_i128)timeline->ahead_ns[i + 1] - 1);
    }
    *ret_from = (int64_t)from;
    *ret_to = (int64_t)to;
    return from <= to;
}

/* Whether this is the only stretch that may have those values. */
static bool is_alone(const struct tcs_timeline *timeline, int64_t from,
                     int64_t to)
{
    size_t cursor = 0, id, n = 0;

    while (n < 2 &&
           tcs_interval_index_next(&timeline->values, tcs_interval_point(from),
                                   tcs_interval_point(to), &cursor, &id)) {
        n++;
    }
    return n == 1;
}

/* Values between readings i and i + 1 of a stretch. */
static bool make_when(struct tcs_timeline_cursor *cursor,
                      const struct tcs_timeline_stretch *stretch, size_t i)
{
    const struct tcs_timeline *timeline = cursor->timeline;
    const struct tcs_host_reading *left = &timeline->readings[i];
    const struct tcs_host_reading *right = left + 1;
    struct tcs_rate_span rate;
    int64_t from, to;

    if (!are_ticks_small(right) || !tcs_timeline_course(timeline, i, &rate) ||
        !is_usable(rate) || !is_usable(timeline->allowed) ||
        !own_values(timeline, stretch, i, &from, &to) ||
        !is_alone(timeline, from, to)) {
        return false;
    }
    struct tcs_timeline_piece piece = {
        .from = from,
        .to = to,
        .least = (int64_t)left->when.lo.ticks,
        .most = (int64_t)right->when.hi.ticks,
        .left_lo = fan(left->value.hi, (int64_t)left->when.lo.ticks,
                       rate.hi.ticks, rate.hi.ns),
        .left_hi = fan(left->value.lo, (int64_t)left->when.hi.ticks,
                       rate.lo.ticks, rate.lo.ns),
        .right_lo = fan(right->value.hi, (int64_t)right->when.lo.ticks,
                        rate.lo.ticks, rate.lo.ns),
        .right_hi = fan(right->value.lo, (int64_t)right->when.hi.ticks,
                        rate.hi.ticks, rate.hi.ns),
    };

    return keep(&cursor->when, &piece);
}

static bool find_at(struct tcs_timeline_cursor *cursor, uint64_t ticks)
{
    const struct tcs_timeline *timeline = cursor->timeline;
    size_t i = tcs_timeline_readings_before(timeline,
                                            (struct tcs_host_ticks){ ticks });

    return i > 0 && i < timeline->n && make_at(cursor, i - 1);
}

static bool find_when(struct tcs_timeline_cursor *cursor,
                      struct tcs_ns_span value)
{
    const struct tcs_timeline *timeline = cursor->timeline;
    const struct tcs_timeline_stretch *stretch;
    size_t position = 0, id, i;

    if (!tcs_interval_index_next(
            &timeline->values, tcs_interval_point(value.lo),
            tcs_interval_point(value.hi), &position, &id)) {
        return false;
    }
    stretch = &timeline->stretches[id];
    i = tcs_timeline_first_reached(timeline, stretch->first, stretch->last,
                                   value);
    return i < stretch->last && make_when(cursor, stretch, i);
}

int tcs_timeline_cursor_at(struct tcs_timeline_cursor *cursor,
                           struct tcs_host_span at,
                           struct tcs_ns_span *ret_value)
{
    if (at.hi.ticks < (uint64_t)LIMIT) {
        int64_t lo = (int64_t)at.lo.ticks, hi = (int64_t)at.hi.ticks;

        if ((holds(&cursor->at, lo, hi) ||
             (find_at(cursor, at.lo.ticks) && holds(&cursor->at, lo, hi))) &&
            answer(&cursor->at, lo, hi, &ret_value->lo, &ret_value->hi)) {
            return 0;
        }
    }
    return tcs_timeline_at(cursor->timeline, at, ret_value);
}

int tcs_timeline_cursor_when(struct tcs_timeline_cursor *cursor,
                             struct tcs_ns_span value,
                             struct tcs_host_span *ret_when)
{
    int64_t lo, hi;

    if ((holds(&cursor->when, value.lo, value.hi) ||
         (find_when(cursor, value) &&
          holds(&cursor->when, value.lo, value.hi))) &&
        answer(&cursor->when, value.lo, value.hi, &lo, &hi)) {
        ret_when->lo.ticks = (uint64_t)lo;
        ret_when->hi.ticks = (uint64_t)hi;
        return 0;
    }
    return tcs_timeline_when(cursor->timeline, value, ret_when);
}
