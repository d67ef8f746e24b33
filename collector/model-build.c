/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model from a log: every reading goes to its clock's timeline, every
 * mapping to its vCPU's epochs. docs/error-model.md says what is assumed in
 * between.
 */
#include <errno.h>

#include "error.h"
#include "model-impl.h"
#include "place.h"
#include "rates.h"

/*
 * How far a guest's clocks may run off the host's nominal rate: its own NTP's
 * range, and as much again for a kernel that calibrated its counter itself.
 */
#define GUEST_SLEW_PPM 1000

/* A vCPU's counter, and when it was read last. */
typedef struct {
    TcsModelClock *clock;
    gint64 cpu_index;
    struct tcs_host_ticks read_until;
    guint reply; /* the last one it was in */
} Counter;

typedef struct {
    TcsModel *model;
    struct tcs_rate_span nominal;
    guint host_slew_ppm;
    GArray *counters; /* of Counter, in the order they came up */
    guint reply;      /* how many were taken */
    /* Some vCPU had no stable mapping when it first came up. */
    gboolean has_others;
} Builder;

static void check_memory(int ret)
{
    if (ret == -ENOMEM) {
        g_error("out of memory");
    }
}

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

/* Readings that overlap an earlier one add nothing; they are left out. */
static void add_reading(TcsModelClock *clock,
                        const struct tcs_host_reading *reading)
{
    int ret = tcs_timeline_add(&clock->timeline, reading);

    check_memory(ret);
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
static void add_host_clocks(Builder *builder, const TcsSample *sample)
{
    const GArray *clocks = sample->qmp_after->host_clocks;

    for (guint i = 0; i < clocks->len; i++) {
        const TcsHostClock *clock = &g_array_index(clocks, TcsHostClock, i);
        const struct tcs_host_reading *other = tcs_find_host_reading(
            sample->qmp_before->host_clocks, clock->clock);

        add_reading(
            time_clock(builder, g_strconcat("host:", clock->clock, NULL),
                       builder->host_slew_ppm),
            other && width(other) < width(&clock->reading) ? other
                                                           : &clock->reading);
    }
}

/* The host's own ftrace clocks; a count is no time. */
static void add_local_clocks(Builder *builder, const TcsSample *sample)
{
    for (guint i = 0; i < sample->local_clocks->len; i++) {
        const TcsHostClock *clock =
            &g_array_index(sample->local_clocks, TcsHostClock, i);

        if (!g_str_equal(clock->clock, "counter")) {
            add_reading(time_clock(builder,
                                   g_strconcat("host:", clock->clock, NULL),
                                   builder->host_slew_ppm),
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

static void add_guest_clocks(Builder *builder, const TcsSample *sample)
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
            add_reading(time_clock(builder, guest_name(clock), GUEST_SLEW_PPM),
                        &reading);
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

/*
 * A vCPU that comes up with its first stable mapping. It had none in the
 * replies before this one, if there were any.
 */
static Counter *add_counter(Builder *builder, const char *name,
                            gint64 cpu_index)
{
    Counter counter = {
        .clock = tcs_model_add(
            builder->model,
            g_strdup_printf("guest:%s@%" G_GINT64_FORMAT, name, cpu_index),
            TCS_CLOCK_GUEST_COUNTER),
        .cpu_index = cpu_index,
    };

    if (builder->reply > 1) {
        tcs_counter_epochs_interrupt(&counter.clock->epochs);
    }
    g_array_append_val(builder->counters, counter);
    return &g_array_index(builder->counters, Counter,
                          builder->counters->len - 1);
}

static Counter *find_counter(Builder *builder, gint64 cpu_index)
{
    for (guint i = 0; i < builder->counters->len; i++) {
        Counter *counter = &g_array_index(builder->counters, Counter, i);

        if (counter->cpu_index == cpu_index) {
            return counter;
        }
    }
    return NULL;
}

/*
 * The mappings the vCPU had between two replies, or before the first one, by
 * QEMU's own history. Returns whether there were any.
 */
static gboolean add_history(Counter *counter, const TcsQmpReply *reply,
                            struct tcs_host_ticks until)
{
    struct tcs_counter_epochs *epochs = &counter->clock->epochs;
    gboolean any = FALSE;

    for (guint i = 0; i < reply->epochs->len; i++) {
        const TcsEpoch *epoch = &g_array_index(reply->epochs, TcsEpoch, i);
        struct tcs_host_span at = { epoch->host_counter, epoch->host_counter };

        if (epoch->cpu_index != counter->cpu_index ||
            at.lo.ticks <= counter->read_until.ticks ||
            at.lo.ticks > until.ticks) {
            continue;
        }
        if (epochs->n == 0 && !epoch->is_first) {
            tcs_counter_epochs_interrupt(epochs);
        }
        check_memory(tcs_counter_epochs_read(epochs, at, &epoch->map, TRUE));
        counter->read_until = at.hi;
        any = TRUE;
    }
    return any;
}

static void add_mapping(Builder *builder, const TcsQmpReply *reply,
                        const TcsVcpu *vcpu)
{
    Counter *counter = find_counter(builder, vcpu->cpu_index);
    struct tcs_host_span read_at = vcpu->read_at;
    gboolean is_explained;

    if (!counter) {
        counter = add_counter(builder, reply->counter, vcpu->cpu_index);
    }
    is_explained = add_history(counter, reply, read_at.hi);
    /* The read that the history's last entry comes from may be this one. */
    read_at.lo.ticks = MAX(read_at.lo.ticks, counter->read_until.ticks);
    check_memory(
        tcs_counter_epochs_read(&counter->clock->epochs, read_at, &vcpu->map,
                                !is_explained && !reply->epochs_follow));
    counter->read_until = read_at.hi;
    counter->reply = builder->reply;
}

static void add_reply(Builder *builder, const TcsQmpReply *reply)
{
    builder->reply++;
    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (vcpu->has_map && vcpu->stable) {
            add_mapping(builder, reply, vcpu);
        } else if (!find_counter(builder, vcpu->cpu_index)) {
            builder->has_others = TRUE;
        }
    }
    /* The others are gone, did not answer, or are not stable. */
    for (guint i = 0; i < builder->counters->len; i++) {
        Counter *counter = &g_array_index(builder->counters, Counter, i);
        struct tcs_host_span counters;

        if (counter->reply == builder->reply) {
            continue;
        }
        if (tcs_qmp_reply_counters(reply, &counters)) {
            add_history(counter, reply, counters.hi);
        }
        tcs_counter_epochs_interrupt(&counter->clock->epochs);
    }
}

static gboolean is_same_epoch(const struct tcs_counter_epoch *a,
                              const struct tcs_counter_epoch *b)
{
    return a->map.multiplier == b->map.multiplier &&
           a->map.shift == b->map.shift && a->map.offset == b->map.offset &&
           a->map.offset_bound == 0 && b->map.offset_bound == 0;
}

/* Narrows `common` to where `other` is sure as well; FALSE: they differ. */
static gboolean take_common(struct tcs_counter_epochs *common,
                            const struct tcs_counter_epochs *other)
{
    if (common->n != other->n) {
        return FALSE;
    }
    for (size_t i = 0; i < common->n; i++) {
        struct tcs_counter_epoch *epoch = &common->epochs[i];
        const struct tcs_counter_epoch *same = &other->epochs[i];

        if (!is_same_epoch(epoch, same)) {
            return FALSE;
        }
        epoch->from.ticks = MAX(epoch->from.ticks, same->from.ticks);
        epoch->to.ticks = MIN(epoch->to.ticks, same->to.ticks);
    }
    common->is_new_at_first |= other->is_new_at_first;
    common->is_interrupted |= other->is_interrupted;
    return TRUE;
}

/*
 * "guest:x86-tsc", where it does not matter which CPU's is meant: all have had
 * the same exact mappings, or there is but one.
 */
static void add_common_counter(Builder *builder, const char *name)
{
    struct tcs_counter_epochs common = { .n = 0 };
    gboolean is_common = builder->counters->len > 0 && !builder->has_others;

    for (guint i = 0; is_common && i < builder->counters->len; i++) {
        const struct tcs_counter_epochs *epochs =
            &g_array_index(builder->counters, Counter, i).clock->epochs;

        if (i == 0) {
            common = *epochs;
            common.epochs = g_memdup2(epochs->epochs,
                                      epochs->n * sizeof(epochs->epochs[0]));
            common.capacity = common.n;
        } else {
            is_common = take_common(&common, epochs);
        }
    }
    if (is_common) {
        tcs_model_add(builder->model, g_strconcat("guest:", name, NULL),
                      TCS_CLOCK_GUEST_COUNTER)
            ->epochs = common;
    } else {
        tcs_counter_epochs_clear(&common);
    }
}

static void finish(Builder *builder)
{
    for (guint i = 0; i < builder->model->clocks->len; i++) {
        TcsModelClock *clock = g_ptr_array_index(builder->model->clocks, i);

        if (clock->kind == TCS_CLOCK_GUEST_COUNTER) {
            check_memory(tcs_counter_epochs_finish(&clock->epochs));
        }
    }
}

TcsModel *tcs_model_new(const TcsLog *log, GError **error)
{
    g_autoptr(TcsModel) model = tcs_model_new_empty();
    Builder builder = {
        .model = model,
        .nominal = TCS_RATE_SPAN_MONOTONE,
        .host_slew_ppm = log->host_slew_ppm,
    };
    const TcsSample *first, *last;
    const char *counter;

    if (log->samples->len == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the log has no sample that can be used");
        return NULL;
    }
    first = g_ptr_array_index(log->samples, 0);
    last = g_ptr_array_index(log->samples, log->samples->len - 1);
    counter = first->qmp_before->counter;
    if (!tcs_mean_rate(
            tcs_find_host_reading(first->qmp_before->host_clocks, "mono_raw"),
            tcs_find_host_reading(last->qmp_after->host_clocks, "mono_raw"),
            &builder.nominal)) {
        builder.nominal = TCS_RATE_SPAN_MONOTONE;
    }
    tcs_model_add(model, g_strconcat("host:", counter, NULL),
                  TCS_CLOCK_HOST_COUNTER);
    builder.counters = g_array_new(FALSE, FALSE, sizeof(Counter));
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        add_reply(&builder, sample->qmp_before);
        add_reply(&builder, sample->qmp_after);
        add_host_clocks(&builder, sample);
        add_local_clocks(&builder, sample);
        add_guest_clocks(&builder, sample);
        add_lines(&builder, sample);
    }
    add_common_counter(&builder, counter);
    g_array_unref(builder.counters);
    finish(&builder);
    return g_steal_pointer(&model);
}
