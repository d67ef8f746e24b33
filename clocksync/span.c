/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interval arithmetic with outward rounding. Pure; knows nothing of clocks.
 */
#include "span.h"

#include <assert.h>
#include <errno.h>

tcs_i128 tcs_floor_div(tcs_i128 numerator, tcs_i128 denominator)
{
    assert(denominator > 0);
    tcs_i128 quotient = numerator / denominator;

    if (numerator % denominator < 0) {
        quotient--;
    }
    return quotient;
}

tcs_i128 tcs_ceil_div(tcs_i128 numerator, tcs_i128 denominator)
{
    assert(denominator > 0);
    tcs_i128 quotient = numerator / denominator;

    if (numerator % denominator > 0) {
        quotient++;
    }
    return quotient;
}

struct tcs_ns_span tcs_ns_span_from_wide(tcs_i128 lo, tcs_i128 hi)
{
    assert(lo <= hi);
    if (lo >= INT64_MAX || hi <= INT64_MIN) {
        return TCS_NS_SPAN_UNKNOWN;
    }
    return (struct tcs_ns_span){
        .lo = lo < INT64_MIN ? INT64_MIN : (int64_t)lo,
        .hi = hi > INT64_MAX ? INT64_MAX : (int64_t)hi,
    };
}

bool tcs_ns_span_is_bounded(struct tcs_ns_span span)
{
    return span.lo != INT64_MIN && span.hi != INT64_MAX;
}

struct tcs_ns_span tcs_ns_span_subtract(struct tcs_ns_span minuend,
                                        struct tcs_ns_span subtrahend)
{
    tcs_i128 lo = (tcs_i128)minuend.lo - subtrahend.hi;
    tcs_i128 hi = (tcs_i128)minuend.hi - subtrahend.lo;

    if (minuend.lo == INT64_MIN || subtrahend.hi == INT64_MAX) {
        lo = INT64_MIN;
    }
    if (minuend.hi == INT64_MAX || subtrahend.lo == INT64_MIN) {
        hi = INT64_MAX;
    }
    /*
     * One unknown end beside an overflowing known end leaves lo > hi only
     * where the known end itself cannot be represented.
     */
    return lo > hi ? TCS_NS_SPAN_UNKNOWN : tcs_ns_span_from_wide(lo, hi);
}

int tcs_ns_span_intersect(struct tcs_ns_span a, struct tcs_ns_span b,
                          struct tcs_ns_span *ret_span)
{
    int64_t lo = a.lo > b.lo ? a.lo : b.lo;
    int64_t hi = a.hi < b.hi ? a.hi : b.hi;

    if (lo > hi) {
        return -EDOM;
    }
    *ret_span = (struct tcs_ns_span){ .lo = lo, .hi = hi };
    return 0;
}

int tcs_ns_span_centre(struct tcs_ns_span span, int64_t *ret_centre_ns,
                       uint64_t *ret_bound_ns)
{
    if (!tcs_ns_span_is_bounded(span)) {
        return -ERANGE;
    }
    uint64_t width = (uint64_t)span.hi - (uint64_t)span.lo;

    *ret_centre_ns = (int64_t)((uint64_t)span.lo + width / 2);
    *ret_bound_ns = width - width / 2;
    return 0;
}
