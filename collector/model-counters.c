/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vCPUs' counters of a model: every mapping in QEMU's replies goes to its
 * vCPU's epochs, and so does what its history tells and that it is not there.
 */
#include <errno.h>

#include "model-impl.h"

/* A vCPU's counter, and when it was read last. */
typedef struct {
    TcsModelClock *clock;
    gint64 cpu_index;
    struct tcs_host_ticks read_until;
    guint reply; /* the last one it was in */
} Counter;

struct TcsModelCounters {
    TcsModel *model;
    GArray *all; /* of Counter, in the order they came up */
    guint reply; /* how many were taken */
    /* Some vCPU had no stable mapping when it first came up. */
    gboolean has_others;
    gboolean has_another_qemu; /* or one that may be another */
};

void tcs_check_memory(int ret)
{
    if (ret == -ENOMEM) {
        g_error("out of memory");
    }
}

/*
 * A vCPU that comes up with its first stable mapping. It had none in the
 * replies before this one, if there were any.
 */
static Counter *add_counter(TcsModelCounters *counters, const char *name,
                            gint64 cpu_index)
{
    Counter counter = {
        .clock = tcs_model_add(
            counters->model,
            g_strdup_printf("guest:%s@%" G_GINT64_FORMAT, name, cpu_index),
            TCS_CLOCK_GUEST_COUNTER),
        .cpu_index = cpu_index,
    };

    if (counters->reply > 1) {
        tcs_counter_epochs_interrupt(&counter.clock->epochs);
    }
    g_array_append_val(counters->all, counter);
    return &g_array_index(counters->all, Counter, counters->all->len - 1);
}

static Counter *find_counter(TcsModelCounters *counters, gint64 cpu_index)
{
    for (guint i = 0; i < counters->all->len; i++) {
        Counter *counter = &g_array_index(counters->all, Counter, i);

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
static gboolean add_history(const TcsModelCounters *counters, Counter *counter,
                            const TcsQmpReply *reply,
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
        /* Before that this QEMU was waiting: the guest was elsewhere. */
        if (epoch->is_arrival && !counters->has_another_qemu) {
            tcs_counter_epochs_begin_at_first(epochs);
        }
        tcs_check_memory(
            tcs_counter_epochs_read(epochs, at, &epoch->map, TRUE));
        counter->read_until = at.hi;
        any = TRUE;
    }
    return any;
}

static void add_mapping(TcsModelCounters *counters, const TcsQmpReply *reply,
                        const TcsVcpu *vcpu)
{
    Counter *counter = find_counter(counters, vcpu->cpu_index);
    struct tcs_host_span read_at = vcpu->read_at;
    gboolean is_explained;

    if (!counter) {
        counter = add_counter(counters, reply->counter, vcpu->cpu_index);
    }
    is_explained = add_history(counters, counter, reply, read_at.hi);
    /* The read that the history's last entry comes from may be this one. */
    read_at.lo.ticks = MAX(read_at.lo.ticks, counter->read_until.ticks);
    tcs_check_memory(
        tcs_counter_epochs_read(&counter->clock->epochs, read_at, &vcpu->map,
                                !is_explained && !reply->epochs_follow));
    counter->read_until = read_at.hi;
    counter->reply = counters->reply;
}

void tcs_model_counters_add(TcsModelCounters *counters,
                            const TcsQmpReply *reply)
{
    counters->reply++;
    counters->has_another_qemu |= !reply->epochs_follow;
    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (vcpu->has_map && vcpu->stable) {
            add_mapping(counters, reply, vcpu);
        } else if (!find_counter(counters, vcpu->cpu_index)) {
            counters->has_others = TRUE;
        }
    }
    /* The others are gone, did not answer, or are not stable. */
    for (guint i = 0; i < counters->all->len; i++) {
        Counter *counter = &g_array_index(counters->all, Counter, i);
        struct tcs_host_span read_at;

        if (counter->reply == counters->reply) {
            continue;
        }
        if (tcs_qmp_reply_counters(reply, &read_at)) {
            add_history(counters, counter, reply, read_at.hi);
        }
        tcs_counter_epochs_interrupt(&counter->clock->epochs);
    }
}

static gboolean is_same_epoch(const struct tcs_counter_epoch *a,
                              const struct tcs_counter_epoch *b)
{
    return a->map.offset_bound == 0 && b->map.offset_bound == 0 &&
           tcs_counter_map_may_be_same(&a->map, &b->map);
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
static void add_common_counter(TcsModelCounters *counters, const char *name)
{
    struct tcs_counter_epochs common = { .n = 0 };
    gboolean is_common = counters->all->len > 0 && !counters->has_others;

    for (guint i = 0; is_common && i < counters->all->len; i++) {
        const struct tcs_counter_epochs *epochs =
            &g_array_index(counters->all, Counter, i).clock->epochs;

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
        tcs_model_add(counters->model, g_strconcat("guest:", name, NULL),
                      TCS_CLOCK_GUEST_COUNTER)
            ->epochs = common;
    } else {
        tcs_counter_epochs_clear(&common);
    }
}

TcsModelCounters *tcs_model_counters_new(TcsModel *model)
{
    TcsModelCounters *counters = g_new0(TcsModelCounters, 1);

    counters->model = model;
    counters->all = g_array_new(FALSE, FALSE, sizeof(Counter));
    return counters;
}

void tcs_model_counters_finish(TcsModelCounters *counters, const char *name)
{
    /* `name` is NULL only where there is no counter. */
    add_common_counter(counters, name);
    g_array_unref(counters->all);
    g_free(counters);
}
