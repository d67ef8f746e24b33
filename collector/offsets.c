/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See offsets.h; docs/error-model.md derives the bounds.
 */
#include "offsets.h"

#include <float.h>

#include "error.h"
#include "place.h"
#include "rates.h"

/*
 * How far mono_raw may run off a constant rate against the host's counter: not
 * at all where the counter is its clocksource, else two crystals' wander.
 */
#define RAW_WANDER_PPM 100

static TcsSample *first_sample(GPtrArray *samples)
{
    return g_ptr_array_index(samples, 0);
}

static TcsSample *last_sample(GPtrArray *samples)
{
    return g_ptr_array_index(samples, samples->len - 1);
}

/* Rates a host clock may have between neighbouring readings. */
static struct tcs_rate_span host_rate(GPtrArray *samples, const char *name,
                                      guint slew_ppm)
{
    struct tcs_rate_span nominal;

    if (!tcs_mean_rate(
            tcs_find_host_reading(
                first_sample(samples)->qmp_before->host_clocks, "mono_raw"),
            tcs_find_host_reading(last_sample(samples)->qmp_after->host_clocks,
                                  "mono_raw"),
            &nominal)) {
        return TCS_RATE_SPAN_MONOTONE;
    }
    return tcs_rate_span_widen(
        nominal, g_str_equal(name, "mono_raw") ? RAW_WANDER_PPM : slew_ppm);
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

static void refuse(TcsOffsets *offsets, const char *guest, TcsRefusalKind kind,
                   char *reason)
{
    TcsRefusal refusal = { .kind = kind, .reason = reason };

    g_strlcpy(refusal.guest, guest, sizeof(refusal.guest));
    g_array_append_val(offsets->refusals, refusal);
}

/* How far two clocks advanced between the same two moments. */
static void set_rate(TcsOffset *offset, struct tcs_ns_span guest,
                     struct tcs_ns_span host)
{
    if (tcs_ns_span_is_bounded(guest) && tcs_ns_span_is_bounded(host) &&
        guest.hi >= 0 && host.lo > 0) {
        double lo = (double)MAX(guest.lo, 0) / (double)host.hi;
        double hi = (double)guest.hi / (double)host.lo;

        offset->has_rate = TRUE;
        offset->rate = (lo + hi) / 2;
        /* The quotients above are rounded; 4 ulp cover that. */
        offset->rate_bound = (hi - lo) / 2 + 4 * hi * DBL_EPSILON;
    }
}

/* A guest clock in one sample, and its host clock at the same moment. */
struct pair {
    struct tcs_ns_span guest;
    struct tcs_ns_span host;
    struct tcs_ns_span offset;
};

/*
 * The host clock a guest clock is paired with: that of the same name; for those
 * that only ftrace can read mono, which every host trace can be brought to.
 */
static const char *host_name(const char *guest)
{
    static const char *const ftrace_only[] = { "local", "global", "perf",
                                               "uptime", NULL };

    return g_strv_contains(ftrace_only, guest) ? "mono" : guest;
}

/* One sample's values of one clock; FALSE where it was refused. */
static gboolean pair_in_sample(TcsOffsets *offsets, const TcsSample *sample,
                               const TcsGuestClock *clock,
                               struct tcs_rate_span rate, struct pair *ret_pair)
{
    g_autoptr(GArray) readings = host_readings(sample, host_name(clock->clock));
    struct tcs_host_reading guest;
    const TcsVcpu *vcpu;
    gboolean contradiction;
    g_autoptr(GError) error = NULL;

    if (readings->len == 0) {
        refuse(offsets, clock->clock, TCS_REFUSAL_UNMAPPED,
               g_strdup("the host has no clock of this name to pair it with"));
        return FALSE;
    }
    if (!tcs_place_reading(sample, clock, &guest, &vcpu, &contradiction,
                           &error)) {
        refuse(offsets, clock->clock,
               contradiction ? TCS_REFUSAL_CONTRADICTION : TCS_REFUSAL_UNMAPPED,
               g_strdup(error->message));
        return FALSE;
    }
    if (tcs_host_readings_at((const struct tcs_host_reading *)readings->data,
                             readings->len, guest.when, rate,
                             &ret_pair->host) < 0) {
        refuse(offsets, clock->clock, TCS_REFUSAL_CONTRADICTION,
               g_strdup("readings of the host's clock contradict each other: "
                        "it was stepped meanwhile, or QEMU is in another time "
                        "namespace; try again"));
        return FALSE;
    }
    ret_pair->guest = guest.value;
    ret_pair->offset = tcs_ns_span_subtract(guest.value, ret_pair->host);
    if (!tcs_ns_span_is_bounded(ret_pair->offset)) {
        refuse(offsets, clock->clock, TCS_REFUSAL_UNMAPPED,
               g_strdup("no bound can be given: no host reading near enough"));
        return FALSE;
    }
    return TRUE;
}

/* Read on the same CPU where possible; the guest chooses anew each time. */
static const TcsGuestClock *find_guest_clock(const TcsSample *sample,
                                             const char *name, gint64 cpu)
{
    const TcsGuestClock *found = NULL;

    for (guint i = 0; i < sample->guest->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(sample->guest->clocks, TcsGuestClock, i);

        if (g_str_equal(clock->clock, name)) {
            if (clock->cpu == cpu) {
                return clock;
            }
            /* ftrace's local clock is one of its own on each CPU. */
            if (!found && !g_str_equal(name, "local")) {
                found = clock;
            }
        }
    }
    return found;
}

static gboolean is_same_boot(const TcsSample *a, const TcsSample *b)
{
    return g_str_equal(a->guest->boot_id, b->guest->boot_id);
}

/* A clock of the last sample, with its rate since the first one. */
static void add_clock(TcsOffsets *offsets, GPtrArray *samples,
                      const TcsGuestClock *clock, guint slew_ppm)
{
    const TcsSample *first = first_sample(samples);
    const TcsSample *last = last_sample(samples);
    const char *host = host_name(clock->clock);
    struct tcs_rate_span rate = host_rate(samples, host, slew_ppm);
    struct pair pair, pair_first;
    const TcsGuestClock *clock_first =
        first == last || !first->guest || !is_same_boot(first, last)
            ? NULL
            : find_guest_clock(first, clock->clock, clock->cpu);
    TcsOffset offset = {
        .guest_cpu = clock->cpu,
        .guest_value = clock->value,
        .method = "hypervisor",
    };

    if (!pair_in_sample(offsets, last, clock, rate, &pair) ||
        (clock_first &&
         !pair_in_sample(offsets, first, clock_first, rate, &pair_first))) {
        return;
    }
    if (clock_first) {
        set_rate(&offset, tcs_ns_span_subtract(pair.guest, pair_first.guest),
                 tcs_ns_span_subtract(pair.host, pair_first.host));
    }
    tcs_ns_span_centre(pair.offset, &offset.offset, &offset.bound);
    offset.host_value = clock->value - (guint64)offset.offset;
    g_strlcpy(offset.guest, clock->clock, sizeof(offset.guest));
    g_strlcpy(offset.host, host, sizeof(offset.host));
    g_array_append_val(offsets->offsets, offset);
}

/* Linux's number of a vCPU where the guest told it, else its cpu-index. */
static gint64 guest_cpu_of(const TcsSample *sample, const TcsVcpu *vcpu)
{
    if (sample->guest && vcpu->has_arch_id) {
        for (guint i = 0; i < sample->guest->cpus->len; i++) {
            const TcsGuestCpu *cpu =
                &g_array_index(sample->guest->cpus, TcsGuestCpu, i);

            if (cpu->has_arch_id && cpu->arch_id == vcpu->arch_id) {
                return cpu->cpu;
            }
        }
    }
    return vcpu->cpu_index;
}

/*
 * The counter itself: known from the hypervisor alone, for each vCPU, at the
 * moment its mapping was last read.
 */
static void add_counter(TcsOffsets *offsets, const TcsSample *sample,
                        const TcsVcpu *vcpu)
{
    struct tcs_host_ticks host = vcpu->read_at.hi;
    TcsOffset offset = {
        .is_ticks = TRUE,
        .guest_cpu = guest_cpu_of(sample, vcpu),
        .host_value = host.ticks,
        .bound = vcpu->map.offset_bound,
        .has_rate = TRUE,
        .method = "hypervisor",
    };

    if (!vcpu->has_map || !vcpu->stable) {
        refuse(offsets, sample->qmp_after->counter, TCS_REFUSAL_UNMAPPED,
               g_strdup_printf("vCPU %" G_GINT64_FORMAT " is not stable: %s",
                               vcpu->cpu_index, vcpu->reason));
        return;
    }
    offset.guest_value = tcs_counter_map_to_guest(&vcpu->map, host).ticks;
    offset.offset = (gint64)(offset.guest_value - offset.host_value);
    offset.rate = tcs_counter_map_rate(&vcpu->map);
    g_strlcpy(offset.guest, sample->qmp_after->counter, sizeof(offset.guest));
    g_strlcpy(offset.host, sample->qmp_after->counter, sizeof(offset.host));
    g_array_append_val(offsets->offsets, offset);
}

/*
 * The guest's own counter readings: nothing to compute, but to be believed.
 * Why a counter has no mapping is said by add_counter().
 */
static void check_counter(TcsOffsets *offsets, const TcsSample *sample,
                          const TcsGuestClock *clock)
{
    struct tcs_host_reading reading;
    const TcsVcpu *vcpu;
    gboolean contradiction;
    g_autoptr(GError) error = NULL;

    if (!g_str_equal(clock->clock, sample->qmp_after->counter)) {
        refuse(offsets, clock->clock, TCS_REFUSAL_UNMAPPED,
               g_strdup_printf("the guest calls it a counter, the hypervisor "
                               "knows %s only",
                               sample->qmp_after->counter));
    } else if (!tcs_place_reading(sample, clock, &reading, &vcpu,
                                  &contradiction, &error) &&
               contradiction) {
        refuse(offsets, clock->clock, TCS_REFUSAL_CONTRADICTION,
               g_strdup(error->message));
    }
}

static void add_guest(TcsOffsets *offsets, GPtrArray *samples, guint slew_ppm)
{
    const TcsSample *sample = last_sample(samples);
    const TcsGuestReply *guest = sample->guest;

    for (guint i = 0; i < guest->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(guest->clocks, TcsGuestClock, i);

        if (clock->is_counter) {
            check_counter(offsets, sample, clock);
        } else if (clock->is_count) {
            refuse(offsets, clock->clock, TCS_REFUSAL_UNREAD,
                   g_strdup("it counts events and is no time: it has no "
                            "offset"));
        } else {
            add_clock(offsets, samples, clock, slew_ppm);
        }
    }
    for (guint i = 0; i < guest->unavailable->len; i++) {
        const TcsGuestUnavailable *clock =
            &g_array_index(guest->unavailable, TcsGuestUnavailable, i);

        refuse(offsets, clock->clock, TCS_REFUSAL_UNREAD,
               g_strdup(clock->reason));
    }
}

static void clear_refusal(gpointer data)
{
    g_free(((TcsRefusal *)data)->reason);
}

TcsOffsets *tcs_offsets_new(GPtrArray *samples, guint host_slew_ppm)
{
    const TcsSample *sample = last_sample(samples);
    TcsOffsets *offsets = g_new0(TcsOffsets, 1);

    offsets->offsets = g_array_new(FALSE, TRUE, sizeof(TcsOffset));
    offsets->refusals = g_array_new(FALSE, TRUE, sizeof(TcsRefusal));
    g_array_set_clear_func(offsets->refusals, clear_refusal);
    for (guint i = 0; i < sample->qmp_after->vcpus->len; i++) {
        add_counter(offsets, sample,
                    &g_array_index(sample->qmp_after->vcpus, TcsVcpu, i));
    }
    if (sample->guest) {
        add_guest(offsets, samples, host_slew_ppm);
    }
    return offsets;
}

void tcs_offsets_free(TcsOffsets *offsets)
{
    if (offsets) {
        g_array_unref(offsets->offsets);
        g_array_unref(offsets->refusals);
        g_free(offsets);
    }
}

gboolean tcs_offsets_has(const TcsOffsets *offsets, const char *guest)
{
    for (guint i = 0; i < offsets->offsets->len; i++) {
        if (g_str_equal(g_array_index(offsets->offsets, TcsOffset, i).guest,
                        guest)) {
            return TRUE;
        }
    }
    return FALSE;
}
