/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model from a log: every reading goes to its clock's timeline.
 * docs/error-model.md says what is assumed in between.
 */
#include <stdarg.h>

#include "error.h"
#include "model-changes.h"
#include "model-impl.h"
#include "place.h"
#include "rates.h"

/*
 * How far a guest's clocks may run off the host's nominal rate: its own NTP's
 * range, and as much again for a kernel that calibrated its counter itself.
 */
#define GUEST_SLEW_PPM 1000

typedef struct {
    TcsModelClock *clock;
    struct tcs_host_reading reading;
} Spare;

typedef struct {
    TcsModel *model;
    TcsModelCounters *counters;
    TcsModelChanges *changes;
    char *counter; /* the host counter's name; NULL before the first sample */
    GArray *spare; /* of Spare: what the last sample has besides */
} Builder;

/* Consumes `name`. */
static TcsModelClock *time_clock(Builder *builder, char *name)
{
    TcsModelClock *clock = tcs_model_lookup(builder->model, name);

    if (clock) {
        g_free(name);
        return clock;
    }
    clock = tcs_model_add(builder->model, name, TCS_CLOCK_TIME);
    /* The rate it may have is known in the end. */
    tcs_timeline_init(&clock->timeline, TCS_RATE_SPAN_MONOTONE);
    return clock;
}

static void add_reading(TcsModelClock *clock,
                        const struct tcs_host_reading *reading)
{
    int ret = tcs_timeline_add(&clock->timeline, reading);

    tcs_check_memory(ret);
    if (ret == 0) {
        clock->resolution_ns =
            MAX(clock->resolution_ns, reading->value.hi - reading->value.lo);
    }
}

static uint64_t width(const struct tcs_host_reading *reading)
{
    return reading->when.hi.ticks - reading->when.lo.ticks;
}

static void add_spare(Builder *builder)
{
    for (guint i = 0; i < builder->spare->len; i++) {
        const Spare *spare = &g_array_index(builder->spare, Spare, i);

        add_reading(spare->clock, &spare->reading);
    }
    g_array_set_size(builder->spare, 0);
}

/*
 * One reading per sample and host clock, the tighter of QEMU's two: readings
 * milliseconds apart would tell little about rates. At either end both, as the
 * outermost interval has a neighbour on one side only and is the better for
 * being short; so the other one is kept until the next sample is there.
 */
static void add_host_clocks(Builder *builder, const TcsSample *sample)
{
    const GArray *clocks = sample->qmp_after->host_clocks;

    g_array_set_size(builder->spare, 0);
    for (guint i = 0; i < clocks->len; i++) {
        const TcsHostClock *host = &g_array_index(clocks, TcsHostClock, i);
        const struct tcs_host_reading *after = &host->reading;
        const struct tcs_host_reading *before =
            tcs_find_host_reading(sample->qmp_before->host_clocks, host->clock);
        gboolean is_before = before && width(before) < width(after);
        Spare spare = {
            .clock =
                time_clock(builder, g_strconcat("host:", host->clock, NULL)),
            .reading = is_before || !before ? *after : *before,
        };

        add_reading(spare.clock, is_before ? before : after);
        if (before) {
            g_array_append_val(builder->spare, spare);
        }
    }
}

/* ftrace's counter, of the guest or of the host. Consumes `name`. */
static TcsModelClock *count_clock(Builder *builder, char *name)
{
    TcsModelClock *clock = tcs_model_lookup(builder->model, name);

    if (clock) {
        g_free(name);
        return clock;
    }
    return tcs_model_add(builder->model, name, TCS_CLOCK_COUNT);
}

/* To the staircase or the timeline that the clock is. */
static void add_to(TcsModelClock *clock, const struct tcs_host_reading *reading)
{
    if (clock->kind == TCS_CLOCK_COUNT) {
        tcs_check_memory(tcs_staircase_add(&clock->staircase, reading->when,
                                           reading->value.lo));
    } else {
        add_reading(clock, reading);
    }
}

/* The host's own ftrace clocks. */
static void add_local_clocks(Builder *builder, const TcsSample *sample)
{
    for (guint i = 0; i < sample->local_clocks->len; i++) {
        const TcsHostClock *clock =
            &g_array_index(sample->local_clocks, TcsHostClock, i);
        char *name = g_strconcat("host:", clock->clock, NULL);

        add_to(g_str_equal(clock->clock, "counter") ? count_clock(builder, name)
                                                    : time_clock(builder, name),
               &clock->reading);
    }
}

/* ftrace's local clock is one of its own on each CPU. */
static char *guest_name(const TcsGuestClock *clock)
{
    return g_str_equal(clock->clock, "local")
               ? g_strdup_printf("guest:local@%" G_GINT64_FORMAT, clock->cpu)
               : g_strconcat("guest:", clock->clock, NULL);
}

static void add_guest_clocks(Builder *builder, const TcsSample *sample)
{
    for (guint i = 0; sample->guest && i < sample->guest->clocks->len; i++) {
        const TcsGuestClock *read =
            &g_array_index(sample->guest->clocks, TcsGuestClock, i);
        struct tcs_host_reading reading;
        const TcsVcpu *vcpu;
        gboolean contradiction;
        TcsModelClock *clock;

        /* A guest may say so, but has no name for a vCPU's counter. */
        if (read->is_counter ||
            g_str_has_prefix(read->clock, sample->qmp_before->counter)) {
            continue;
        }
        clock = read->is_count ? count_clock(builder, g_strdup("guest:counter"))
                               : time_clock(builder, guest_name(read));
        if (!tcs_place_reading(sample, read, &reading, &vcpu, &contradiction,
                               NULL)) {
            clock->contradictions += contradiction;
        } else {
            add_to(clock, &reading);
        }
    }
}

/*
 * Guest CPUs' counters as a method's answers bound them, where no hypervisor
 * was asked: it would know better.
 */
static void add_lines(Builder *builder, const TcsSample *sample)
{
    const TcsEvidence *evidence = sample->placement;

    if (!evidence || !sample->guest || sample->qmp_after->vcpus->len > 0) {
        return;
    }
    for (guint i = 0; i < evidence->lines->len; i++) {
        gint64 cpu = g_array_index(evidence->lines, TcsCpuLine, i).cpu;
        g_autofree char *name = g_strdup_printf(
            "guest:%s@%" G_GINT64_FORMAT, sample->qmp_after->counter, cpu);
        TcsModelClock *clock = tcs_model_lookup(builder->model, name);

        if (!clock) {
            clock = tcs_model_add(builder->model, g_steal_pointer(&name),
                                  TCS_CLOCK_GUEST_LINES);
            clock->lines = tcs_counter_lines_new(cpu);
        }
        if (clock->kind == TCS_CLOCK_GUEST_LINES) {
            tcs_counter_lines_add(clock->lines, evidence->ties,
                                  sample->guest->boot_id);
        }
    }
}

G_GNUC_PRINTF(2, 3)
static void warn(TcsModel *model, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(model->warnings, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* mono_raw's rate against the counter: what all others are allowed to be near.
 */
static struct tcs_rate_span nominal_rate(const TcsModel *model)
{
    TcsModelClock *clock = tcs_model_lookup(model, "host:mono_raw");
    struct tcs_rate_span rate;

    if (!clock) {
        return TCS_RATE_SPAN_MONOTONE;
    }
    tcs_check_memory(tcs_timeline_finish(&clock->timeline));
    return tcs_steady_rate(clock->timeline.readings, clock->timeline.n, &rate)
               ? rate
               : TCS_RATE_SPAN_MONOTONE;
}

static void finish_clock(TcsModel *model, TcsModelClock *clock,
                         const TcsModelChanges *changes,
                         struct tcs_rate_span nominal, guint host_slew_ppm)
{
    gboolean is_host = g_str_has_prefix(clock->name, "host:");
    size_t dropped = 0;

    switch (clock->kind) {
    case TCS_CLOCK_GUEST_COUNTER:
        tcs_check_memory(tcs_counter_epochs_finish(&clock->epochs));
        break;
    case TCS_CLOCK_TIME:
        clock->timeline.allowed = tcs_rate_span_widen(
            nominal, is_host ? host_slew_ppm : GUEST_SLEW_PPM);
        tcs_check_memory(tcs_timeline_finish(&clock->timeline));
        dropped = clock->timeline.dropped;
        if (!is_host) {
            clock->timeline.reach =
                tcs_model_changes_reach(changes, &clock->timeline);
        }
        break;
    case TCS_CLOCK_COUNT:
        tcs_check_memory(tcs_staircase_finish(&clock->staircase));
        dropped = clock->staircase.dropped;
        break;
    case TCS_CLOCK_HOST_COUNTER:
    case TCS_CLOCK_GUEST_LINES:
        break;
    }
    if (dropped > 0) {
        warn(model,
             "%s: %zu readings are left out: they overlap tighter ones in time",
             clock->name, dropped);
    }
    if (clock->contradictions > 0) {
        warn(
            model,
            "%s: %u readings are left out: the hypervisor excludes the counter "
            "they are said to be from; do not trust this guest's clocks",
            clock->name, clock->contradictions);
    }
}

static Builder builder_new(void)
{
    TcsModel *model = tcs_model_new_empty();

    return (Builder){
        .model = model,
        .counters = tcs_model_counters_new(model),
        .changes = tcs_model_changes_new(),
        .spare = g_array_new(FALSE, FALSE, sizeof(Spare)),
    };
}

static void builder_add(Builder *builder, const TcsSample *sample)
{
    gboolean is_first = !builder->counter;

    if (is_first) {
        builder->counter = g_strdup(sample->qmp_before->counter);
        tcs_model_add(builder->model,
                      g_strconcat("host:", builder->counter, NULL),
                      TCS_CLOCK_HOST_COUNTER);
    }
    tcs_model_counters_add(builder->counters, sample->qmp_before);
    tcs_model_counters_add(builder->counters, sample->qmp_after);
    tcs_model_changes_add(builder->changes, sample->qmp_before);
    tcs_model_changes_add(builder->changes, sample->qmp_after);
    add_host_clocks(builder, sample);
    if (is_first) {
        add_spare(builder);
    }
    add_local_clocks(builder, sample);
    add_guest_clocks(builder, sample);
    add_lines(builder, sample);
}

/* Frees the builder. */
static TcsModel *builder_finish(Builder *builder, const TcsLog *log,
                                GError **error)
{
    TcsModel *model = builder->model;
    struct tcs_rate_span nominal;

    add_spare(builder);
    tcs_model_counters_finish(builder->counters, builder->counter);
    nominal = nominal_rate(model);
    for (guint i = 0; i < model->clocks->len; i++) {
        finish_clock(model, g_ptr_array_index(model->clocks, i),
                     builder->changes, nominal, log->host_slew_ppm);
    }
    tcs_model_changes_free(builder->changes);
    g_array_unref(builder->spare);
    if (!builder->counter) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the log has no sample that can be used");
        g_clear_pointer(&model, tcs_model_free);
    }
    g_free(builder->counter);
    return model;
}

TcsModel *tcs_model_new(const TcsLog *log, GError **error)
{
    Builder builder = builder_new();

    for (guint i = 0; i < log->samples->len; i++) {
        builder_add(&builder, g_ptr_array_index(log->samples, i));
    }
    return builder_finish(&builder, log, error);
}

static void take_sample(TcsSample *sample, gpointer user_data)
{
    builder_add(user_data, sample);
    tcs_sample_free(sample);
}

TcsModel *tcs_model_load(const char *path, TcsLog **ret_log, GError **error)
{
    Builder builder = builder_new();
    const TcsLog nothing = { 0 };
    g_autoptr(TcsLog) log =
        tcs_log_read_each(path, take_sample, &builder, error);
    TcsModel *model =
        builder_finish(&builder, log ? log : &nothing, log ? error : NULL);

    if (!log) {
        g_clear_pointer(&model, tcs_model_free);
        return NULL;
    }
    if (!model) {
        g_prefix_error(error, "%s: ", path);
    }
    *ret_log = g_steal_pointer(&log);
    return model;
}
