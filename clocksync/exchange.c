/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A counter's line by tcs_lines, with guest ticks in place of nanoseconds and
 * what one tick may hide added outward. See exchange.h.
 *
 * A guest's counter may follow the host's in whole ticks (a hypervisor scales
 * one to the other) or in itself (an oscillator's phase against another's). In
 * both cases, if the guest's shows g while the host's shows h:
 *     line(h) < g + 1      and      line(h + 1) >= g.
 */
#include "exchange.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#define REACH ((int64_t)1 << 61)

void tcs_counter_line_init(struct tcs_counter_line *line,
                           struct tcs_rate_span allowed)
{
    tcs_lines_init(&line->lines, allowed);
    line->origin = (struct tcs_guest_ticks){ 0 };
}

void tcs_counter_line_clear(struct tcs_counter_line *line)
{
    tcs_lines_clear(&line->lines);
}

/* Signed steps from the first guest tick. Returns 0 or -ERANGE. */
static int place_guest(const struct tcs_counter_line *line,
                       struct tcs_guest_ticks guest, int64_t *ret_steps)
{
    int64_t steps = (int64_t)(guest.ticks - line->origin.ticks);

    *ret_steps = steps;
    return steps > -REACH && steps < REACH ? 0 : -ERANGE;
}

int tcs_counter_line_add(struct tcs_counter_line *line,
                         struct tcs_host_ticks h_lo, struct tcs_host_ticks h_hi,
                         struct tcs_guest_ticks g_ceiling,
                         struct tcs_guest_ticks g_floor)
{
    int64_t ceiling, floor;

    if (line->lines.readings == 0) {
        line->origin = g_floor;
    }
    if (h_hi.ticks == UINT64_MAX ||
        place_guest(line, g_ceiling, &ceiling) < 0 ||
        place_guest(line, g_floor, &floor) < 0) {
        return -ERANGE;
    }
    return tcs_lines_add_bounds(&line->lines, h_lo, ceiling + 1,
                                (struct tcs_host_ticks){ h_hi.ticks + 1 },
                                floor);
}

int tcs_counter_line_add_probe(struct tcs_counter_line *line,
                               const struct tcs_probe *probe)
{
    uint64_t guest_took =
        probe->guest_transmit.ticks - probe->guest_receive.ticks;

    if (probe->host_received.ticks < probe->host_sent.ticks ||
        guest_took > INT64_MAX) {
        return -EINVAL;
    }
    return tcs_counter_line_add(line, probe->host_sent, probe->host_received,
                                probe->guest_receive, probe->guest_transmit);
}

/*
 * What the guest's counter may show at `at`, in steps from the origin: far
 * beyond REACH where nothing bounds it. The ceiling is rounded up and never
 * touched, hence the last whole tick below it.
 * Returns 0 or -ERANGE.
 */
static int steps_at(const struct tcs_counter_line *line,
                    struct tcs_host_span at, tcs_i128 *ret_lo, tcs_i128 *ret_hi)
{
    if (at.hi.ticks == UINT64_MAX) {
        return -ERANGE;
    }
    int ret = tcs_lines_extremes(&line->lines, at.lo,
                                 (struct tcs_host_ticks){ at.hi.ticks + 1 },
                                 ret_lo, ret_hi);

    if (ret == 0) {
        *ret_hi -= 1;
    }
    return ret;
}

static bool is_unbounded(tcs_i128 steps)
{
    return steps > TCS_LINES_UNBOUNDED / 2 || steps < -TCS_LINES_UNBOUNDED / 2;
}

int tcs_counter_line_at(const struct tcs_counter_line *line,
                        struct tcs_host_span at,
                        struct tcs_guest_span *ret_guest)
{
    tcs_i128 lo, hi;
    int ret;

    if (line->lines.readings == 0) {
        return -ENODATA;
    }
    ret = steps_at(line, at, &lo, &hi);
    if (ret < 0) {
        return ret;
    }
    if (is_unbounded(lo) || is_unbounded(hi)) {
        return -ENODATA;
    }
    if (lo <= -REACH || hi >= REACH) {
        return -ERANGE;
    }
    *ret_guest = (struct tcs_guest_span){
        { line->origin.ticks + (uint64_t)lo },
        { line->origin.ticks + (uint64_t)hi },
    };
    return 0;
}

/* All host values for which steps_at() succeeds. */
static struct tcs_host_span reach(const struct tcs_counter_line *line)
{
    uint64_t origin = line->lines.origin.ticks;
    uint64_t far = (uint64_t)REACH - 2;

    return (struct tcs_host_span){
        { origin < far ? 0 : origin - far },
        { origin > UINT64_MAX - 1 - far ? UINT64_MAX - 1 : origin + far },
    };
}

/*
 * The first host value of `in` whose guest values reach up to `steps` (is_lo),
 * or are all above it; one beyond in.hi where none is. Both grow with the
 * host's, so halving finds it.
 */
static uint64_t search(const struct tcs_counter_line *line,
                       struct tcs_host_span in, bool is_lo, int64_t steps)
{
    uint64_t first = in.lo.ticks, end = in.hi.ticks + 1;

    while (first < end) {
        struct tcs_host_ticks middle = { first + (end - first) / 2 };
        tcs_i128 lo = 0, hi = 0;

        steps_at(line, (struct tcs_host_span){ middle, middle }, &lo, &hi);
        if (is_lo ? hi >= steps : lo > steps) {
            end = middle.ticks;
        } else {
            first = middle.ticks + 1;
        }
    }
    return first;
}

int tcs_counter_line_when(const struct tcs_counter_line *line,
                          struct tcs_guest_ticks first,
                          struct tcs_guest_ticks last,
                          struct tcs_host_span *ret_when)
{
    struct tcs_host_span in = reach(line);
    int64_t first_steps, last_steps;
    uint64_t from, end;

    if (last.ticks - first.ticks > INT64_MAX) {
        return -EINVAL;
    }
    if (line->lines.readings == 0) {
        return -ENODATA;
    }
    if (place_guest(line, first, &first_steps) < 0 ||
        place_guest(line, last, &last_steps) < 0) {
        return -ERANGE;
    }
    from = search(line, in, true, first_steps);
    end = search(line, in, false, last_steps);
    /* 0 and 2^64 - 1 are ends of the counter; any other is ours. */
    if ((from == in.lo.ticks && from > 0) || from > in.hi.ticks ||
        end == in.lo.ticks ||
        (end > in.hi.ticks && in.hi.ticks < UINT64_MAX - 1)) {
        return line->lines.rate.lo.ns == 0 ? -ENODATA : -ERANGE;
    }
    *ret_when = (struct tcs_host_span){
        { from },
        { end > in.hi.ticks ? UINT64_MAX : end - 1 },
    };
    return 0;
}

struct tcs_rate_span tcs_counter_line_rate(const struct tcs_counter_line *line)
{
    return tcs_lines_rate(&line->lines);
}
