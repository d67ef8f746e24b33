/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest clock and a host clock at the same moment of one sample, both in
 * nanoseconds, and which two can be paired at all.
 */
#ifndef COLLECTOR_PAIR_H
#define COLLECTOR_PAIR_H

#include "session.h"

G_BEGIN_DECLS

typedef struct {
    struct tcs_ns_span guest;
    struct tcs_ns_span host;
    struct tcs_ns_span offset; /* guest - host; bounded */
} TcsPair;

/*
 * The host clock a guest clock is paired with unless another is asked for: that
 * of the same name; for those that only ftrace can read mono, which every host
 * trace can be brought to.
 */
const char *tcs_pair_default_host(const char *guest);

/*
 * Why the two have no offset, whatever is read of them; NULL where they may.
 * is_ticks: the guest's is a counter; is_count: a number of events. The caller
 * frees it.
 */
char *tcs_pair_mismatch(const char *guest, gboolean is_ticks, gboolean is_count,
                        const char *host);

/*
 * Rates that a host clock may have between neighbouring readings, from its
 * `samples` (of TcsSample *, at least one, in order).
 */
struct tcs_rate_span tcs_pair_host_rate(GPtrArray *samples, const char *host,
                                        guint slew_ppm);

/* Whether a sample has readings of a host clock at all. */
gboolean tcs_pair_host_was_read(const TcsSample *sample, const char *host);

/*
 * Both clocks at the moment `clock` was read. TCS_ERROR_REFUSED with the reason
 * where that cannot be told; *ret_contradiction where the data contradict each
 * other.
 */
gboolean tcs_pair_in_sample(const TcsSample *sample, const TcsGuestClock *clock,
                            const char *host, struct tcs_rate_span rate,
                            TcsPair *ret_pair, gboolean *ret_contradiction,
                            GError **error);

G_END_DECLS

#endif
