/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See model.h; docs/error-model.md says what is assumed between samples.
 */
#include "model.h"

#include <errno.h>
#include <string.h>

#include "clocksync/timeline.h"
#include "error.h"
#include "place.h"
#include "rates.h"

/*
 * How far a guest's clocks may run off the host's nominal rate: its own NTP's
 * range, and as much again for a kernel that calibrated its counter itself.
 */
#define GUEST_SLEW_PPM 1000

/* A stretch of host counter in which a guest CPU's mapping was seen. */
typedef struct {
    struct tcs_host_span seen;
    struct tcs_counter_map map;
} CounterEpoch;

struct TcsModelClock {
    char *name;
    gboolean is_counter;  /* of the host where epochs is NULL */
    GArray *epochs;       /* of CounterEpoch */
    gint64 resolution_ns; /* the largest seen */
    struct tcs_timeline timeline;
};

struct TcsModel {
    GPtrArray *clocks; /* of TcsModelClock */
    gboolean counters_differ;
};

static void clock_free(gpointer data)
{
    TcsModelClock *clock = data;

    g_clear_pointer(&clock->epochs, g_array_unref);
    tcs_timeline_clear(&clock->timeline);
    g_free(clock->name);
    g_free(clock);
}

static TcsModelClock *find(const TcsModel *model, const char *name)
{
    for (guint i = 0; i < model->clocks->len; i++) {
        TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        if (g_str_equal(clock->name, name)) {
            return clock;
        }
    }
    return NULL;
}

/* Consumes `name`. */
static TcsModelClock *find_or_add(TcsModel *model, char *name,
                                  struct tcs_rate_span allowed)
{
    TcsModelClock *clock = find(model, name);

    if (clock) {
        g_free(name);
        return clock;
    }
    clock = g_new0(TcsModelClock, 1);
    clock->name = name;
    tcs_timeline_init(&clock->timeline, allowed);
    g_ptr_array_add(model->clocks, clock);
    return clock;
}

/* Readings that overlap an earlier one add nothing; they are left out. */
static void add_reading(TcsModelClock *clock,
                        const struct tcs_host_reading *reading)
{
    int ret = tcs_timeline_add(&clock->timeline, reading);

    if (ret == -ENOMEM) {
        g_error("out of memory");
    }
    if (ret == 0) {
        clock->resolution_ns =
            MAX(clock->resolution_ns, reading->value.hi - reading->value.lo);
    }
}

static uint64_t width(const struct tcs_host_reading *reading)
{
    return reading->when.hi.ticks - reading->when.lo.ticks;
}

/*
 * One reading per sample and host clock, the tighter of QEMU's two: readings
 * milliseconds apart would tell little about rates.
 */
static void add_host_clocks(TcsModel *model, const TcsSample *sample,
                            struct tcs_rate_span nominal, guint slew_ppm)
{
    const GArray *clocks = sample->qmp_after->host_clocks;

    for (guint i = 0; i < clocks->len; i++) {
        const TcsHostClock *clock = &g_array_index(clocks, TcsHostClock, i);
        const struct tcs_host_reading *other = tcs_find_host_reading(
            sample->qmp_before->host_clocks, clock->clock);

        add_reading(find_or_add(model, g_strconcat("host:", clock->clock, NULL),
                                tcs_rate_span_widen(nominal, slew_ppm)),
                    other && width(other) < width(&clock->reading)
                        ? other
                        : &clock->reading);
    }
}

/* The host's own ftrace clocks; a count is no time. */
static void add_local_clocks(TcsModel *model, const TcsSample *sample,
                             struct tcs_rate_span nominal, guint slew_ppm)
{
    for (guint i = 0; i < sample->local_clocks->len; i++) {
        const TcsHostClock *clock =
            &g_array_index(sample->local_clocks, TcsHostClock, i);

        if (!g_str_equal(clock->clock, "counter")) {
            add_reading(find_or_add(model,
                                    g_strconcat("host:", clock->clock, NULL),
                                    tcs_rate_span_widen(nominal, slew_ppm)),
                        &clock->reading);
        }
    }
}

/* ftrace's local clock is one of its own on each CPU. */
static char *guest_name(const TcsGuestClock *clock)
{
    return g_str_equal(clock->clock, "local")
               ? g_strdup_printf("guest:local@%" G_GINT64_FORMAT, clock->cpu)
               : g_strconcat("guest:", clock->clock, NULL);
}

static void add_guest_clocks(TcsModel *model, const TcsSample *sample,
                             struct tcs_rate_span nominal)
{
    for (guint i = 0; sample->guest && i < sample->guest->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(sample->guest->clocks, TcsGuestClock, i);
        struct tcs_host_reading reading;
        const TcsVcpu *vcpu;
        gboolean contradiction;

        if (!clock->is_counter && !clock->is_count &&
            tcs_place_reading(sample, clock, &reading, &vcpu, &contradiction,
                              NULL)) {
            add_reading(
                find_or_add(model, guest_name(clock),
                            tcs_rate_span_widen(nominal, GUEST_SLEW_PPM)),
                &reading);
        }
    }
}

static gboolean is_same_map(const struct tcs_counter_map *a,
                            const struct tcs_counter_map *b)
{
    return a->multiplier == b->multiplier && a->shift == b->shift &&
           a->offset == b->offset && a->offset_bound == b->offset_bound;
}

static void add_epoch(TcsModelClock *clock, const TcsVcpu *vcpu)
{
    CounterEpoch *last = clock->epochs->len
                             ? &g_array_index(clock->epochs, CounterEpoch,
                                              clock->epochs->len - 1)
                             : NULL;
    CounterEpoch epoch = { .seen = vcpu->read_at, .map = vcpu->map };

    if (last && is_same_map(&last->map, &vcpu->map)) {
        last->seen.hi = vcpu->read_at.hi;
    } else {
        g_array_append_val(clock->epochs, epoch);
    }
}

static void add_counters(TcsModel *model, const TcsSample *sample)
{
    const TcsQmpReply *replies[] = { sample->qmp_before, sample->qmp_after };
    const TcsVcpu *first = NULL;

    for (guint r = 0; r < G_N_ELEMENTS(replies); r++) {
        for (guint i = 0; i < replies[r]->vcpus->len; i++) {
            const TcsVcpu *vcpu = &g_array_index(replies[r]->vcpus, TcsVcpu, i);
            TcsModelClock *clock;

            if (!vcpu->has_map || !vcpu->stable) {
                continue;
            }
            clock = find_or_add(model,
                                g_strdup_printf("guest:%s@%" G_GINT64_FORMAT,
                                                replies[r]->counter,
                                                vcpu->cpu_index),
                                TCS_RATE_SPAN_MONOTONE);
            clock->is_counter = TRUE;
            if (!clock->epochs) {
                clock->epochs = g_array_new(FALSE, FALSE, sizeof(CounterEpoch));
            }
            add_epoch(clock, vcpu);
            if (r == 1) {
                first = first ? first : vcpu;
                model->counters_differ |= !is_same_map(&first->map, &vcpu->map);
            }
        }
    }
}

TcsModel *tcs_model_new(const TcsLog *log, GError **error)
{
    g_autoptr(TcsModel) model = g_new0(TcsModel, 1);
    struct tcs_rate_span nominal;
    TcsModelClock *host_counter;
    const TcsSample *first, *last;

    model->clocks = g_ptr_array_new_with_free_func(clock_free);
    if (log->samples->len == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the log has no sample that can be used");
        return NULL;
    }
    first = g_ptr_array_index(log->samples, 0);
    last = g_ptr_array_index(log->samples, log->samples->len - 1);
    if (!tcs_mean_rate(
            tcs_find_host_reading(first->qmp_before->host_clocks, "mono_raw"),
            tcs_find_host_reading(last->qmp_after->host_clocks, "mono_raw"),
            &nominal)) {
        nominal = TCS_RATE_SPAN_MONOTONE;
    }
    host_counter = find_or_add(
        model, g_strconcat("host:", first->qmp_before->counter, NULL), nominal);
    host_counter->is_counter = TRUE;
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        add_counters(model, sample);
        add_host_clocks(model, sample, nominal, log->host_slew_ppm);
        add_local_clocks(model, sample, nominal, log->host_slew_ppm);
        add_guest_clocks(model, sample, nominal);
    }
    return g_steal_pointer(&model);
}

void tcs_model_free(TcsModel *model)
{
    if (model) {
        g_ptr_array_unref(model->clocks);
        g_free(model);
    }
}

static void set_unknown_clock(const TcsModel *model, const char *name,
                              GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (guint i = 0; i < model->clocks->len; i++) {
        const TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        g_string_append_printf(known, "%s%s", i ? ", " : "", clock->name);
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "the log has no clock '%s'; it has %s", name, known->str);
}

const TcsModelClock *tcs_model_find(TcsModel *model, const char *name,
                                    GError **error)
{
    TcsModelClock *clock = find(model, name);

    if (clock) {
        return clock;
    }
    /* "guest:x86-tsc" stands for any CPU's where all are the same. */
    for (guint i = 0; i < model->clocks->len; i++) {
        clock = g_ptr_array_index(model->clocks, i);
        if (clock->epochs && g_str_has_prefix(clock->name, name) &&
            clock->name[strlen(name)] == '@') {
            if (!model->counters_differ) {
                return clock;
            }
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the guest's CPUs have counters of their own; say "
                        "which one is meant, for example %s",
                        clock->name);
            return NULL;
        }
    }
    set_unknown_clock(model, name, error);
    return NULL;
}

static gboolean set_gap(GError **error, const char *name)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "unknown: %s was stepped, or its mapping changed, around that "
                "time",
                name);
    return FALSE;
}

/* How far a host counter lies outside a stretch; 0 inside. */
static uint64_t distance(struct tcs_host_span seen, struct tcs_host_ticks at)
{
    return at.ticks < seen.lo.ticks   ? seen.lo.ticks - at.ticks
           : at.ticks > seen.hi.ticks ? at.ticks - seen.hi.ticks
                                      : 0;
}

/*
 * The epoch a stretch of host counter belongs to: one that contains it, or
 * where it lies before all or after all of them the first or last. NULL in
 * between: the mapping changed there at an unknown moment.
 */
static const CounterEpoch *epoch_at(const GArray *epochs,
                                    struct tcs_host_span at)
{
    for (guint i = 0; i < epochs->len; i++) {
        const CounterEpoch *epoch = &g_array_index(epochs, CounterEpoch, i);
        gboolean from = i == 0 || at.lo.ticks >= epoch->seen.lo.ticks;
        gboolean to =
            i + 1 == epochs->len || at.hi.ticks <= epoch->seen.hi.ticks;

        if (from && to) {
            return epoch;
        }
    }
    return NULL;
}

/* When a guest CPU's counter showed a value. */
static gboolean counter_when(const TcsModelClock *clock, guint64 value,
                             struct tcs_host_span *ret_when, GError **error)
{
    const struct tcs_guest_ticks guest = { value };
    uint64_t best = G_MAXUINT64;
    gboolean found = FALSE;

    for (guint i = 0; i < clock->epochs->len; i++) {
        const CounterEpoch *epoch =
            &g_array_index(clock->epochs, CounterEpoch, i);
        struct tcs_host_span when;

        if (tcs_counter_map_to_host(&epoch->map, guest, guest, epoch->seen.hi,
                                    &when) == 0 &&
            epoch_at(clock->epochs, when) == epoch) {
            if (found && (best == 0) == (distance(epoch->seen, when.lo) == 0)) {
                g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                            "unknown: %s showed this value more than once",
                            clock->name);
                return FALSE;
            }
            if (!found || distance(epoch->seen, when.lo) < best) {
                *ret_when = when;
                best = distance(epoch->seen, when.lo);
                found = TRUE;
            }
        }
    }
    return found || set_gap(error, clock->name);
}

static gboolean clock_when(const TcsModelClock *clock, guint64 value,
                           struct tcs_host_span *ret_when, GError **error)
{
    struct tcs_ns_span span;

    if (clock->epochs) {
        return counter_when(clock, value, ret_when, error);
    }
    if (clock->is_counter) {
        ret_when->lo.ticks = ret_when->hi.ticks = value;
        return TRUE;
    }
    if (value > INT64_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "%" G_GUINT64_FORMAT " ns is beyond the year 2262", value);
        return FALSE;
    }
    /* A clock that shows it has reached it, and not its next step. */
    span = tcs_clock_value((gint64)value, (uint32_t)clock->resolution_ns);
    switch (tcs_timeline_when(&clock->timeline, span, ret_when)) {
    case 0:
        return TRUE;
    case -ENOTUNIQ:
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "unknown: %s was set back, and showed this value more "
                    "than once",
                    clock->name);
        return FALSE;
    default:
        return set_gap(error, clock->name);
    }
}

/* What a guest CPU's counter showed. */
static gboolean counter_at(const TcsModelClock *clock, struct tcs_host_span at,
                           guint64 *ret_lo, guint64 *ret_hi, GError **error)
{
    const CounterEpoch *epoch = epoch_at(clock->epochs, at);

    if (!epoch) {
        return set_gap(error, clock->name);
    }
    *ret_lo = tcs_counter_map_to_guest(&epoch->map, at.lo).ticks -
              epoch->map.offset_bound;
    *ret_hi = tcs_counter_map_to_guest(&epoch->map, at.hi).ticks +
              epoch->map.offset_bound;
    return TRUE;
}

gboolean tcs_model_convert(const TcsModel *model, const TcsModelClock *from,
                           const TcsModelClock *to, guint64 value,
                           guint64 *ret_lo, guint64 *ret_hi, GError **error)
{
    struct tcs_host_span at;
    struct tcs_ns_span span;

    if (!clock_when(from, value, &at, error)) {
        return FALSE;
    }
    if (to->epochs) {
        return counter_at(to, at, ret_lo, ret_hi, error);
    }
    if (to->is_counter) {
        *ret_lo = at.lo.ticks;
        *ret_hi = at.hi.ticks;
        return TRUE;
    }
    if (tcs_timeline_at(&to->timeline, at, &span) < 0) {
        return set_gap(error, to->name);
    }
    if (!tcs_ns_span_is_bounded(span)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "unknown: too far from what was recorded of %s", to->name);
        return FALSE;
    }
    *ret_lo = (guint64)MAX(span.lo, 0);
    *ret_hi = (guint64)MAX(span.hi, 0);
    return TRUE;
}
