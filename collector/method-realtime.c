/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The method `realtime`: both kernels' clocks are disciplined by NTP or PTP,
 * and each kernel says how far off UTC it may be at most. As good as that, no
 * better: nothing of it can be checked here but that the two errors admit the
 * time in which the guest was asked.
 */
#include "error.h"
#include "json-list.h"
#include "tie.h"

#define CLOCK "realtime"

/* Kernels raise maxerror once a second, by MAXFREQ: so much may be missing. */
#define GROWTH_NS 500000
/* The kernel calls a clock unsynchronized beyond this (NTP_PHASE_LIMIT). */
#define ERROR_NS_MAX G_GINT64_CONSTANT(16000000000)
/*
 * How far the guest's clock may run off the host's: both within 500 ppm of
 * UTC's rate.
 */
#define RATE_PPM 1000

static json_object *arguments(gint64 cpu)
{
    return tcs_tie_clock_arguments(CLOCK, cpu);
}

/* A kernel's own bound, or why it has none. */
static gboolean get_error(json_object *object, const char *member,
                          const char *whose, gint64 *ret_ns, GError **error)
{
    json_object *told;
    gboolean synchronized;
    guint64 ns, estimated_ns;

    if (!tcs_json_has(object, member)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the %s does not say how far off its realtime may be (its "
                    "agent is older than this program, or may not call "
                    "adjtimex)",
                    whose);
        return FALSE;
    }
    if (!tcs_json_get_object(object, member, &told, error) ||
        !tcs_json_get_bool(told, "synchronized", &synchronized, error) ||
        !tcs_json_get_u64(told, "max-error-ns", &ns, error) ||
        !tcs_json_get_u64(told, "estimated-error-ns", &estimated_ns, error)) {
        return FALSE;
    }
    if (!synchronized || ns > ERROR_NS_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the %s's realtime is not synchronized, says its kernel; "
                    "run an NTP or PTP daemon there (chrony, ptp4l with "
                    "phc2sys) and wait until it has settled",
                    whose);
        return FALSE;
    }
    if (estimated_ns == 0 && ns % GROWTH_NS == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the %s's kernel was told that its realtime has no error "
                    "at all, as systemd-timesyncd does; run an NTP or PTP "
                    "daemon there that tells the error (chrony, ntpd)",
                    whose);
        return FALSE;
    }
    *ret_ns = (gint64)ns + GROWTH_NS;
    return TRUE;
}

static gboolean tie(json_object *record, struct tcs_rate_span rate,
                    TcsAnswer *ret_answer, GError **error)
{
    json_object *reply;
    gint64 guest_ns, host_ns;
    struct tcs_ns_span value;

    if (!tcs_json_get_object(record, "reply", &reply, error) ||
        !tcs_tie_from_clock(record, CLOCK, ret_answer, error) ||
        !get_error(reply, "realtime-error", "guest", &guest_ns, error) ||
        !get_error(record, "host-realtime-error", "host", &host_ns, error)) {
        return FALSE;
    }
    value = tcs_ns_span_from_wide(
        (tcs_i128)ret_answer->tie.value.lo - guest_ns - host_ns,
        (tcs_i128)ret_answer->tie.value.hi + guest_ns + host_ns);
    if (!tcs_tie_when_realtime(record, value, rate, &ret_answer->tie.when,
                               error)) {
        g_prefix_error(error, "host and guest are further apart than their "
                              "kernels claim, so that one of them is wrong: ");
        return FALSE;
    }
    return TRUE;
}

/*
 * The guest's counter per ns of its clock from the first tie to the last, times
 * the host's ns per tick, give or take RATE_PPM: the ties alone, some
 * milliseconds wide each, would allow nearly any rate.
 */
static gboolean get_rate(const GArray *ties, struct tcs_rate_span host,
                         struct tcs_rate_span *ret_rate, GError **error)
{
    const TcsTie *a = ties->len ? &g_array_index(ties, TcsTie, 0) : NULL;
    const TcsTie *b =
        ties->len ? &g_array_index(ties, TcsTie, ties->len - 1) : NULL;
    guint64 least, most, least_ns, most_ns;

    if (!a || a->cpu != b->cpu || b->value.lo <= a->value.hi) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest's realtime did not advance while it was asked");
        return FALSE;
    }
    least = b->floor.ticks - a->ceiling.ticks;
    most = b->ceiling.ticks - a->floor.ticks;
    least_ns = (guint64)(b->value.lo - a->value.hi);
    most_ns = (guint64)(b->value.hi - a->value.lo);
    if (least > most || most > INT64_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the counter of guest CPU %" G_GINT64_FORMAT
                    " ran backward; do not trust this guest's clocks",
                    a->cpu);
        return FALSE;
    }
    *ret_rate = TCS_RATE_SPAN_MONOTONE;
    ret_rate->lo = tcs_rate_from_wide((tcs_u128)least * host.lo.ns,
                                      (tcs_u128)most_ns * host.lo.ticks, false);
    if (host.hi.ticks != 0) {
        ret_rate->hi =
            tcs_rate_from_wide((tcs_u128)most * host.hi.ns,
                               (tcs_u128)least_ns * host.hi.ticks, true);
    }
    *ret_rate = tcs_rate_span_widen(*ret_rate, RATE_PPM);
    return TRUE;
}

const TcsMethod tcs_method_realtime = {
    .name = "realtime",
    .command = "guest-get-trace-clocks",
    .requests = 1,
    .uses_realtime = TRUE,
    .advice = "the guest's agent is not one of ours; run trace-clock-agent",
    .arguments = arguments,
    .cpu = tcs_tie_clock_cpu,
    .tie = tie,
    .rate = get_rate,
};
