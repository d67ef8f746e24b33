/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model from a log: every reading goes to its clock's timeline.
 * docs/error-model.md says what is assumed in between.
 */
#include <stdarg.h>

#include "error.h"
#include "model-impl.h"
#include "place.h"
#include "rates.h"

/*
 * How far a guest's clocks may run off the host's nominal rate: its own NTP's
 * range, and as much again for a kernel that calibrated its counter itself.
 */
#define GUEST_SLEW_PPM 1000

typedef struct {
    TcsModel *model;
    struct tcs_rate_span nominal;
    guint host_slew_ppm;
} Builder;

/* Consumes `name`. */
static TcsModelClock *time_clock(Builder *builder, char *name, guint ppm)
{
    TcsModelClock *clock = tcs_model_lookup(builder->model, name);

    if (clock) {
        g_free(name);
        return clock;
    }
    clock = tcs_model_add(builder->model, name, TCS_CLOCK_TIME);
    tcs_timeline_init(&clock->timeline,
                      tcs_rate_span_widen(builder->nominal, ppm));
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

/* The tighter of QEMU's two readings of a clock, or NULL. */
static const struct tcs_host_reading *tighter(const TcsSample *sample,
                                              const char *name)
{
    const struct tcs_host_reading *before =
        tcs_find_host_reading(sample->qmp_before->host_clocks, name);
    const struct tcs_host_reading *after =
        tcs_find_host_reading(sample->qmp_after->host_clocks, name);

    return !before || (after && width(after) <= width(before)) ? after : before;
}

/*
 * One reading per sample and host clock: readings milliseconds apart would tell
 * little about rates. At either end both, as the outermost interval has a
 * neighbour on one side only and is the better for being short.
 */
static void add_host_clocks(Builder *builder, const TcsSample *sample,
                            gboolean is_outermost)
{
    const GArray *clocks = sample->qmp_after->host_clocks;

    for (guint i = 0; i < clocks->len; i++) {
        const TcsHostClock *host = &g_array_index(clocks, TcsHostClock, i);
        TcsModelClock *clock =
            time_clock(builder, g_strconcat("host:", host->clock, NULL),
                       builder->host_slew_ppm);
        const struct tcs_host_reading *before =
            tcs_find_host_reading(sample->qmp_before->host_clocks, host->clock);

        if (is_outermost && before) {
            add_reading(clock, before);
            add_reading(clock, &host->reading);
        } else {
            add_reading(clock, tighter(sample, host->clock));
        }
    }
}

/* mono_raw's rate against the counter: what all others are allowed to be near.
 */
static struct tcs_rate_span nominal_rate(const TcsLog *log)
{
    g_autoptr(GArray) readings =
        g_array_new(FALSE, FALSE, sizeof(struct tcs_host_reading));
    struct tcs_rate_span rate;

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const TcsQmpReply *replies[] = { sample->qmp_before,
                                         sample->qmp_after };

        for (guint r = 0; r < G_N_ELEMENTS(replies); r++) {
            const struct tcs_host_reading *reading =
                tcs_find_host_reading(replies[r]->host_clocks, "mono_raw");
            gboolean is_outermost =
                (i == 0 && r == 0) || (i + 1 == log->samples->len && r == 1);

            if (reading &&
                (is_outermost || reading == tighter(sample, "mono_raw"))) {
                g_array_append_val(readings, *reading);
            }
        }
    }
    return tcs_steady_rate(readings, &rate) ? rate : TCS_RATE_SPAN_MONOTONE;
}

/* ftrace's local clock is one of its own on each CPU. */
static char *guest_name(const TcsGuestClock *clock)
{
    return g_str_equal(clock->clock, "local")
               ? g_strdup_printf("guest:local@%" G_GINT64_FORMAT, clock->cpu)
               : g_strconcat("guest:", clock->clock, NULL);
}

static TcsModelClock *guest_clock(Builder *builder, const TcsGuestClock *clock)
{
    TcsModelClock *count;

    if (!clock->is_count) {
        return time_clock(builder, guest_name(clock), GUEST_SLEW_PPM);
    }
    count = tcs_model_lookup(builder->model, "guest:counter");
    return count ? count
                 : tcs_model_add(builder->model, g_strdup("guest:counter"),
                                 TCS_CLOCK_COUNT);
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
        clock = guest_clock(builder, read);
        if (!tcs_place_reading(sample, read, &reading, &vcpu, &contradiction,
                               NULL)) {
            clock->contradictions += contradiction;
        } else if (clock->kind == TCS_CLOCK_COUNT) {
            tcs_check_memory(tcs_staircase_add(&clock->staircase, reading.when,
                                               reading.value.lo));
        } else {
            add_reading(clock, &reading);
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

static void finish_clock(TcsModel *model, TcsModelClock *clock)
{
    size_t dropped = 0;

    switch (clock->kind) {
    case TCS_CLOCK_GUEST_COUNTER:
        tcs_check_memory(tcs_counter_epochs_finish(&clock->epochs));
        break;
    case TCS_CLOCK_TIME:
        tcs_check_memory(tcs_timeline_finish(&clock->timeline));
        dropped = clock->timeline.dropped;
        break;
    case TCS_CLOCK_COUNT:
        tcs_check_memory(tcs_staircase_finish(&clock->staircase));
        dropped = clock->staircase.dropped;
        break;
    case TCS_CLOCK_HOST_COUNTER:
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

TcsModel *tcs_model_new(const TcsLog *log, GError **error)
{
    g_autoptr(TcsModel) model = tcs_model_new_empty();
    Builder builder = {
        .model = model,
        .nominal = nominal_rate(log),
        .host_slew_ppm = log->host_slew_ppm,
    };
    TcsModelCounters *counters;
    const TcsSample *first;
    const char *counter;

    if (log->samples->len == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the log has no sample that can be used");
        return NULL;
    }
    first = g_ptr_array_index(log->samples, 0);
    counter = first->qmp_before->counter;
    tcs_model_add(model, g_strconcat("host:", counter, NULL),
                  TCS_CLOCK_HOST_COUNTER);
    counters = tcs_model_counters_new(model);
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        tcs_model_counters_add(counters, sample->qmp_before);
        tcs_model_counters_add(counters, sample->qmp_after);
        add_host_clocks(&builder, sample, i == 0 || i + 1 == log->samples->len);
        add_guest_clocks(&builder, sample);
    }
    tcs_model_counters_finish(counters, counter);
    for (guint i = 0; i < model->clocks->len; i++) {
        finish_clock(model, g_ptr_array_index(model->clocks, i));
    }
    return g_steal_pointer(&model);
}
