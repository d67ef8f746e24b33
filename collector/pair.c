/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See pair.h; docs/error-model.md derives the bounds.
 */
#include "pair.h"

#include "clocksync/course.h"
#include "error.h"
#include "host-clock-name.h"
#include "place.h"
#include "rates.h"

/*
 * How far mono_raw may run off a constant rate against the host's counter: not
 * at all where the counter is its clocksource, else two crystals' wander.
 */
#define RAW_WANDER_PPM 100

/*
 * What is assumed of a host clock over the readings around a guest's: see
 * docs/error-model.md. A clock that is steered 25 times a second complies.
 */
#define COURSE_REACH_NS   20000000
#define COURSE_WANDER_PPM 1

const char *tcs_pair_default_host(const char *guest)
{
    static const char *const ftrace_only[] = { "local", "global", "perf",
                                               "uptime", NULL };

    return g_strv_contains(ftrace_only, guest) ? "mono" : guest;
}

char *tcs_pair_mismatch(const char *guest, gboolean is_ticks, gboolean is_count,
                        const char *host)
{
    TcsHostClockName name;
    gboolean known = tcs_host_clock_name_parse(host, &name, NULL);

    if (is_count || (known && name.kind == TCS_HOST_CLOCK_COUNT)) {
        return g_strdup_printf(
            "%s counts events and is no time: it has no offset; `record` keeps "
            "it, and `map` tells what is known of when it was reached",
            is_count ? guest : name.base);
    }
    if (is_ticks ? !g_str_equal(guest, host)
                 : known && name.kind == TCS_HOST_CLOCK_COUNTER) {
        return g_strdup_printf("%s is in ticks and %s in nanoseconds: they "
                               "have no offset; `record`, and `map` converts "
                               "one into the other",
                               is_ticks ? guest : host,
                               is_ticks ? host : guest);
    }
    return NULL;
}

struct tcs_rate_span tcs_pair_host_rate(GPtrArray *samples, const char *host,
                                        guint slew_ppm)
{
    return tcs_sample_host_rate(g_ptr_array_index(samples, 0),
                                g_ptr_array_index(samples, samples->len - 1),
                                g_str_equal(host, "mono_raw") ? RAW_WANDER_PPM
                                                              : slew_ppm);
}

/* Every reading of a host clock in a sample, QEMU's and our own. */
static GArray *host_readings(const TcsSample *sample, const char *name)
{
    const GArray *sources[] = {
        sample->qmp_before->host_clocks,
        sample->local_clocks,
        sample->qmp_after->host_clocks,
    };
    GArray *readings =
        g_array_new(FALSE, FALSE, sizeof(struct tcs_host_reading));

    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        for (guint j = 0; j < sources[i]->len; j++) {
            const TcsHostClock *clock =
                &g_array_index(sources[i], TcsHostClock, j);

            if (g_str_equal(clock->clock, name)) {
                g_array_append_val(readings, clock->reading);
            }
        }
    }
    return readings;
}

gboolean tcs_pair_host_was_read(const TcsSample *sample, const char *host)
{
    return tcs_find_host_reading(sample->qmp_before->host_clocks, host) ||
           tcs_find_host_reading(sample->local_clocks, host) ||
           tcs_find_host_reading(sample->qmp_after->host_clocks, host);
}

static gboolean refuse(GError **error, const char *reason)
{
    g_set_error_literal(error, TCS_ERROR, TCS_ERROR_REFUSED, reason);
    return FALSE;
}

static struct tcs_course host_course(struct tcs_rate_span rate)
{
    return (struct tcs_course){
        .allowed = rate,
        .reach_ticks = rate.hi.ns == 0 ? 0
                                       : (guint64)((tcs_u128)COURSE_REACH_NS *
                                                   rate.hi.ticks / rate.hi.ns),
        .wander_ppm = COURSE_WANDER_PPM,
    };
}

gboolean tcs_pair_in_sample(const TcsSample *sample, const TcsGuestClock *clock,
                            const char *host, struct tcs_rate_span rate,
                            TcsPair *ret_pair, gboolean *ret_contradiction,
                            GError **error)
{
    g_autoptr(GArray) readings = host_readings(sample, host);
    struct tcs_course course = host_course(rate);
    struct tcs_host_reading guest;
    const TcsVcpu *vcpu;
    TcsPair pair;

    *ret_contradiction = FALSE;
    if (!tcs_place_reading(sample, clock, &guest, &vcpu, ret_contradiction,
                           error)) {
        return FALSE;
    }
    if (tcs_course_at((const struct tcs_host_reading *)readings->data,
                      readings->len, guest.when, &course, &pair.host) < 0) {
        *ret_contradiction = TRUE;
        return refuse(error,
                      "readings of the host's clock contradict each other: it "
                      "was stepped meanwhile, or QEMU is in another time "
                      "namespace; try again");
    }
    pair.guest = guest.value;
    pair.offset = tcs_ns_span_subtract(guest.value, pair.host);
    if (!tcs_ns_span_is_bounded(pair.offset)) {
        return refuse(error,
                      "no bound can be given: no host reading near enough");
    }
    *ret_pair = pair;
    return TRUE;
}
