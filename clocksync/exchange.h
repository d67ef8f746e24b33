/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of one guest CPU's counter where no hypervisor tells: a
 * straight line over the host's counter, between bounds. Pure.
 *
 * A bound is "the guest's counter read g at or after the host's read h" or
 * "at or before"; nothing is assumed about how long after. Whatever gives such
 * bounds may be added:
 * - a two-way probe: the host reads h1 and sends, the guest reads g_rx once it
 *   has the request and g_tx before it replies, the host has the reply and
 *   reads h4. So g_rx is at or after h1, and g_tx at or before h4.
 * - a guest's reading (g0, v, g1) of a clock that the host has as well, where
 *   the host's clock showed v at some moment in [h_lo, h_hi] (ptp-kvm: the
 *   host's realtime; realtime: with both clocks' errors added to v). So g1 is
 *   at or after h_lo, and g0 at or before h_hi.
 *
 * A counter that is read as c stands anywhere in [c, c + 1): bounds and
 * answers allow for it, on both sides.
 *
 * What is assumed (docs/error-model.md, "exchange"): over all that is added
 * the guest's counter runs at one rate against the host's, and is not set.
 * Bounds from both sides of a change end in -EDOM; or, where it is smaller than
 * what they leave open, in answers that are wrong by about as much. After
 * -EDOM a line is not to be trusted, even for the time before: slow probes
 * from after the change may have been taken for consistent. Begin anew with
 * the first probe sent after the refused one had come back.
 */
#ifndef CLOCKSYNC_EXCHANGE_H
#define CLOCKSYNC_EXCHANGE_H

#include "lines.h"
#include "ticks.h"

/*
 * Guest counter values from lo to hi, both included, modulo 2^64: hi.ticks -
 * lo.ticks, which is below 2^63, counts the steps.
 */
struct tcs_guest_span {
    struct tcs_guest_ticks lo;
    struct tcs_guest_ticks hi;
};

struct tcs_counter_line {
    struct tcs_lines lines; /* guest ticks since `origin` in place of ns */
    struct tcs_guest_ticks origin;
};

/* The stamps of one two-way probe. */
struct tcs_probe {
    struct tcs_host_ticks host_sent;      /* read before the request was sent */
    struct tcs_guest_ticks guest_receive; /* after it had arrived */
    struct tcs_guest_ticks guest_transmit; /* before the reply was sent */
    struct tcs_host_ticks host_received;   /* after that had arrived */
};

/*
 * Nothing is known yet but the rate, in guest ticks per host tick (where
 * struct tcs_rate says ns): TCS_RATE_SPAN_MONOTONE if not even that.
 */
void tcs_counter_line_init(struct tcs_counter_line *line,
                           struct tcs_rate_span allowed);

/* Frees what tcs_counter_line_add() allocated; the line is empty then. */
void tcs_counter_line_clear(struct tcs_counter_line *line);

/*
 * The guest's counter read g_ceiling at or after the host's read h_lo, and
 * g_floor at or before the host's read h_hi. Any order of the four and of
 * calls. All g of one line lie within 2^61 of the first (modulo 2^64), all h
 * too.
 *
 * Returns 0; -ERANGE beyond that; -ENOMEM; -EDOM where no line is within this
 * and all earlier bounds: then it is not added and the line stays usable.
 */
int tcs_counter_line_add(struct tcs_counter_line *line,
                         struct tcs_host_ticks h_lo, struct tcs_host_ticks h_hi,
                         struct tcs_guest_ticks g_ceiling,
                         struct tcs_guest_ticks g_floor);

/*
 * The same for a probe. Also -EINVAL for one whose reply came before its
 * request, on either side.
 */
int tcs_counter_line_add_probe(struct tcs_counter_line *line,
                               const struct tcs_probe *probe);

/*
 * Every value the guest's counter may show while the host's shows one of `at`.
 *
 * Returns 0; -ENODATA where nothing bounds it (nothing was added, or `at` is
 * outside of what was and the rate is not known); -ERANGE where `at` or the
 * answer is 2^61 or more away from the first.
 */
int tcs_counter_line_at(const struct tcs_counter_line *line,
                        struct tcs_host_span at,
                        struct tcs_guest_span *ret_guest);

/*
 * The inverse: from the first to the last value the host's counter may show
 * while the guest's shows one from `first` to `last` (last - first < 2^63
 * modulo 2^64; the two may be equal). What comes back are exactly those host
 * values for which tcs_counter_line_at() has one of them.
 *
 * Returns 0; -EINVAL where `last` is before `first`; -ENODATA and -ERANGE as
 * above, each end of the host's counter (0 and 2^64 - 1) being a bound too.
 */
int tcs_counter_line_when(const struct tcs_counter_line *line,
                          struct tcs_guest_ticks first,
                          struct tcs_guest_ticks last,
                          struct tcs_host_span *ret_when);

/*
 * Guest ticks per host tick (where struct tcs_rate says ns), ends included; hi
 * may be unknown, { 1, 0 }.
 */
struct tcs_rate_span tcs_counter_line_rate(const struct tcs_counter_line *line);

#endif
