/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many questions to one timeline, most of them close to the one before: what is
 * the same between two readings is computed once. The answers are those of
 * timeline.h, to the last digit. Pure.
 */
#ifndef CLOCKSYNC_TIMELINE_CURSOR_H
#define CLOCKSYNC_TIMELINE_CURSOR_H

#include "ratio.h"
#include "timeline.h"

/*
 * Where one end of an answer is, as seen from one reading: `base` and what the
 * fraction makes of the distance to `origin`.
 */
struct tcs_timeline_fan {
    int64_t origin;
    int64_t base;
    struct tcs_ratio ratio;
};

/*
 * For questions within [from, to], between two readings, an answer is what both
 * readings' fans span, within [least, most].
 */
struct tcs_timeline_piece {
    int64_t from;
    int64_t to; /* below `from`: there is none yet */
    int64_t least;
    int64_t most;
    struct tcs_timeline_fan left_lo, left_hi, right_lo, right_hi;
};

struct tcs_timeline_cursor {
    const struct tcs_timeline *timeline;
    struct tcs_timeline_piece at;
    struct tcs_timeline_piece when;
};

/* The timeline is finished, outlives the cursor and does not change. */
void tcs_timeline_cursor_init(struct tcs_timeline_cursor *cursor,
                              const struct tcs_timeline *timeline);

/* As tcs_timeline_at(). */
int tcs_timeline_cursor_at(struct tcs_timeline_cursor *cursor,
                           struct tcs_host_span at,
                           struct tcs_ns_span *ret_value);

/* As tcs_timeline_when(). */
int tcs_timeline_cursor_when(struct tcs_timeline_cursor *cursor,
                             struct tcs_ns_span value,
                             struct tcs_host_span *ret_when);

#endif
