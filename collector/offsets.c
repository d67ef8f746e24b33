/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See offsets.h; docs/error-model.md derives the bounds.
 */
#include "offsets.h"

#include <float.h>

#include "line-offset.h"
#include "pair.h"
#include "place.h"

/* What the rows are made from, and where they go. */
typedef struct {
    GPtrArray *samples;
    const TcsHostClocks *host_clocks;
    const char *const *hosts; /* NULL: each guest clock's own */
    guint slew_ppm;
    TcsOffsets *offsets;
} Pairing;

static const TcsSample *first_sample(const Pairing *pairing)
{
    return g_ptr_array_index(pairing->samples, 0);
}

static const TcsSample *last_sample(const Pairing *pairing)
{
    return g_ptr_array_index(pairing->samples, pairing->samples->len - 1);
}

/* Consumes `reason`. `host` may be NULL. */
static void refuse(const Pairing *pairing, const char *guest, const char *host,
                   TcsRefusalKind kind, char *reason)
{
    TcsRefusal refusal = { .kind = kind, .reason = reason };

    g_strlcpy(refusal.guest, guest, sizeof(refusal.guest));
    g_strlcpy(refusal.host, host ? host : "", sizeof(refusal.host));
    g_array_append_val(pairing->offsets->refusals, refusal);
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

/* Why a sample has no reading of a host clock; the caller frees it. */
static char *explain_unread(const Pairing *pairing, const TcsSample *sample,
                            const char *host)
{
    const char *reason = tcs_host_clocks_reason(pairing->host_clocks, host);

    if (tcs_host_clocks_has(pairing->host_clocks, host) && !sample->is_local) {
        return g_strdup_printf("the VM does not run on this machine, where "
                               "alone %s can be read; run this on its host",
                               host);
    }
    return reason ? g_strdup_printf("the host's %s could not be read: %s", host,
                                    reason)
                  : g_strdup("the host has no clock of this name to pair it "
                             "with");
}

static gboolean pair_in_sample(const Pairing *pairing, const TcsSample *sample,
                               const TcsGuestClock *clock, const char *host,
                               TcsPair *ret_pair)
{
    g_autoptr(GError) error = NULL;
    gboolean contradiction;

    if (!tcs_pair_host_was_read(sample, host)) {
        refuse(pairing, clock->clock, pairing->hosts ? host : NULL,
               TCS_REFUSAL_UNMAPPED, explain_unread(pairing, sample, host));
        return FALSE;
    }
    if (tcs_pair_in_sample(
            sample, clock, host,
            tcs_pair_host_rate(pairing->samples, host, pairing->slew_ppm),
            ret_pair, &contradiction, &error)) {
        return TRUE;
    }
    refuse(pairing, clock->clock, pairing->hosts ? host : NULL,
           contradiction ? TCS_REFUSAL_CONTRADICTION : TCS_REFUSAL_UNMAPPED,
           g_strdup(error->message));
    return FALSE;
}

/* A clock of the last sample, with its rate since the first one. */
static void add_pair(const Pairing *pairing, const TcsGuestClock *clock,
                     const char *host)
{
    const TcsSample *first = first_sample(pairing);
    const TcsSample *last = last_sample(pairing);
    TcsPair pair, pair_first;
    const TcsGuestClock *clock_first =
        first == last || !first->guest || !is_same_boot(first, last)
            ? NULL
            : find_guest_clock(first, clock->clock, clock->cpu);
    TcsOffset offset = {
        .guest_cpu = clock->cpu,
        .guest_value = clock->value,
        .method = tcs_sample_method(last),
    };

    if (!pair_in_sample(pairing, last, clock, host, &pair) ||
        (clock_first &&
         !pair_in_sample(pairing, first, clock_first, host, &pair_first))) {
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
    g_array_append_val(pairing->offsets->offsets, offset);
}

/*
 * Whether a guest clock can be paired with a host clock; where it was asked for
 * and cannot, that is told.
 */
static gboolean can_pair(const Pairing *pairing, const char *guest,
                         gboolean is_ticks, gboolean is_count, const char *host)
{
    char *mismatch = tcs_pair_mismatch(guest, is_ticks, is_count, host);

    if (mismatch) {
        refuse(pairing, guest, pairing->hosts ? host : NULL,
               TCS_REFUSAL_UNPAIRED, mismatch);
    }
    return !mismatch;
}

static void add_clock(const Pairing *pairing, const TcsGuestClock *clock)
{
    const char *own[] = { tcs_pair_default_host(clock->clock), NULL };
    const char *const *hosts = pairing->hosts ? pairing->hosts : own;

    for (; *hosts; hosts++) {
        if (can_pair(pairing, clock->clock, FALSE, clock->is_count, *hosts)) {
            add_pair(pairing, clock, *hosts);
        }
    }
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
static void add_counter(const Pairing *pairing, const TcsVcpu *vcpu)
{
    const TcsSample *sample = last_sample(pairing);
    const char *counter = sample->qmp_after->counter;
    struct tcs_host_ticks host = vcpu->read_at.hi;
    TcsOffset offset = {
        .is_ticks = TRUE,
        .guest_cpu = guest_cpu_of(sample, vcpu),
        .host_value = host.ticks,
        .bound = vcpu->map.offset_bound,
        .has_rate = TRUE,
        .method = tcs_method_hypervisor.name,
    };

    if (!vcpu->has_map || !vcpu->stable) {
        refuse(pairing, counter, NULL, TCS_REFUSAL_UNMAPPED,
               g_strdup_printf("vCPU %" G_GINT64_FORMAT " is not stable: %s",
                               vcpu->cpu_index, vcpu->reason));
        return;
    }
    offset.guest_value = tcs_counter_map_to_guest(&vcpu->map, host).ticks;
    offset.offset = (gint64)(offset.guest_value - offset.host_value);
    offset.rate = tcs_counter_map_rate(&vcpu->map);
    g_strlcpy(offset.guest, counter, sizeof(offset.guest));
    g_strlcpy(offset.host, counter, sizeof(offset.host));
    g_array_append_val(pairing->offsets->offsets, offset);
}

static void add_line(const Pairing *pairing, const TcsCpuLine *line)
{
    const TcsSample *sample = last_sample(pairing);
    const char *counter = sample->qmp_after->counter;
    TcsOffset offset;

    if (tcs_line_offset(sample, line, &offset)) {
        g_array_append_val(pairing->offsets->offsets, offset);
    } else {
        refuse(pairing, counter, NULL, TCS_REFUSAL_UNMAPPED,
               g_strdup_printf("too few answers bound the counter of guest CPU "
                               "%" G_GINT64_FORMAT "; try again",
                               line->cpu));
    }
}

static void add_counters(const Pairing *pairing)
{
    const TcsSample *sample = last_sample(pairing);
    const TcsQmpReply *reply = sample->qmp_after;
    const GArray *lines = sample->placement ? sample->placement->lines : NULL;
    const char *own[] = { reply->counter, NULL };
    const char *const *hosts = pairing->hosts ? pairing->hosts : own;

    for (; *hosts; hosts++) {
        if (!can_pair(pairing, reply->counter, TRUE, FALSE, *hosts)) {
            continue;
        }
        for (guint i = 0; lines && i < lines->len; i++) {
            add_line(pairing, &g_array_index(lines, TcsCpuLine, i));
        }
        for (guint i = 0; !lines && i < reply->vcpus->len; i++) {
            add_counter(pairing, &g_array_index(reply->vcpus, TcsVcpu, i));
        }
    }
}

/*
 * The guest's own counter readings: nothing to compute, but to be believed.
 * Why a counter has no mapping is said by add_counter().
 */
static void check_counter(const Pairing *pairing, const TcsGuestClock *clock)
{
    const TcsSample *sample = last_sample(pairing);
    struct tcs_host_reading reading;
    const TcsVcpu *vcpu;
    gboolean contradiction;
    g_autoptr(GError) error = NULL;

    if (!g_str_equal(clock->clock, sample->qmp_after->counter)) {
        refuse(pairing, clock->clock, NULL, TCS_REFUSAL_UNMAPPED,
               g_strdup_printf("the guest calls it a counter, the hypervisor "
                               "knows %s only",
                               sample->qmp_after->counter));
    } else if (!tcs_place_reading(sample, clock, &reading, &vcpu,
                                  &contradiction, &error) &&
               contradiction) {
        refuse(pairing, clock->clock, NULL, TCS_REFUSAL_CONTRADICTION,
               g_strdup(error->message));
    }
}

static void add_guest(const Pairing *pairing)
{
    const TcsGuestReply *guest = last_sample(pairing)->guest;

    for (guint i = 0; i < guest->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(guest->clocks, TcsGuestClock, i);

        if (clock->is_counter) {
            check_counter(pairing, clock);
        } else {
            add_clock(pairing, clock);
        }
    }
    for (guint i = 0; i < guest->unavailable->len; i++) {
        const TcsGuestUnavailable *clock =
            &g_array_index(guest->unavailable, TcsGuestUnavailable, i);

        refuse(pairing, clock->clock, NULL, TCS_REFUSAL_UNREAD,
               g_strdup(clock->reason));
    }
}

static void clear_refusal(gpointer data)
{
    g_free(((TcsRefusal *)data)->reason);
}

TcsOffsets *tcs_offsets_new(GPtrArray *samples, guint host_slew_ppm,
                            const TcsHostClocks *host_clocks)
{
    Pairing pairing = {
        .samples = samples,
        .host_clocks = host_clocks,
        .hosts = tcs_host_clocks_names(host_clocks),
        .slew_ppm = host_slew_ppm,
        .offsets = g_new0(TcsOffsets, 1),
    };

    pairing.offsets->offsets = g_array_new(FALSE, TRUE, sizeof(TcsOffset));
    pairing.offsets->refusals = g_array_new(FALSE, TRUE, sizeof(TcsRefusal));
    g_array_set_clear_func(pairing.offsets->refusals, clear_refusal);
    add_counters(&pairing);
    if (last_sample(&pairing)->guest) {
        add_guest(&pairing);
    }
    return pairing.offsets;
}

void tcs_offsets_free(TcsOffsets *offsets)
{
    if (offsets) {
        g_array_unref(offsets->offsets);
        g_array_unref(offsets->refusals);
        g_free(offsets);
    }
}

gboolean tcs_offsets_has(const TcsOffsets *offsets, const char *guest,
                         const char *host)
{
    for (guint i = 0; i < offsets->offsets->len; i++) {
        const TcsOffset *offset =
            &g_array_index(offsets->offsets, TcsOffset, i);

        if ((!guest || g_str_equal(offset->guest, guest)) &&
            (!host || g_str_equal(offset->host, host))) {
            return TRUE;
        }
    }
    return FALSE;
}
