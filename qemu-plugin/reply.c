/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conversion only; nothing is measured here but the host's clocks, which are
 * read last so that they are the freshest part of the reply.
 */
#include "reply.h"

#include <glib.h>

#include "clockread/counter.h"
#include "clockread/posix-clock.h"
#include "epochs.h"

static void put_uint(QDict *dict, const char *key, uint64_t value)
{
    qdict_put_obj(dict, key, (QObject *)qnum_from_uint(value));
}

static QDict *ratio_new(const struct tcs_counter_map *map)
{
    QDict *dict = qdict_new();

    put_uint(dict, "multiplier", map->multiplier);
    put_uint(dict, "shift", map->shift);
    return dict;
}

static QDict *vcpu_new(const struct tcs_vm_report *vm,
                       const struct tcs_vcpu_report *vcpu)
{
    const char *reason = vcpu->reason[0] ? vcpu->reason : vm->unstable;
    QDict *dict = qdict_new();

    qdict_put_int(dict, "cpu-index", vcpu->cpu_index);
    if (vcpu->has_arch_id) {
        put_uint(dict, "arch-id", vcpu->arch_id);
    }
    if (vcpu->thread_id) {
        qdict_put_int(dict, "thread-id", vcpu->thread_id);
    }
    if (vcpu->has_map) {
        qdict_put_int(dict, "offset", vcpu->map.offset);
        qdict_put_obj(dict, "ratio", (QObject *)ratio_new(&vcpu->map));
        put_uint(dict, "bound-ticks", vcpu->map.offset_bound);
        qdict_put_str(dict, "source", vcpu->source);
        qdict_put_str(dict, "ratio-source", vcpu->ratio_source);
    }
    if (vcpu->guest_khz) {
        qdict_put_int(dict, "guest-counter-khz", vcpu->guest_khz);
    }
    if (vcpu->counter_after) {
        put_uint(dict, "counter-before", vcpu->counter_before);
        put_uint(dict, "counter-after", vcpu->counter_after);
    }
    qdict_put_bool(dict, "stable", !reason[0]);
    if (reason[0]) {
        qdict_put_str(dict, "reason", reason);
    }
    return dict;
}

static QList *host_clocks_new(void)
{
    QList *list = qlist_new();

    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        struct tcs_clock_sample sample;

        if (tcs_posix_clock_read(clock, TCS_CLOCK_SAMPLES_DEFAULT, &sample) <
            0) {
            continue;
        }
        QDict *dict = qdict_new();

        qdict_put_str(dict, "clock", clock->name);
        put_uint(dict, "counter-before", sample.counter_before);
        put_uint(dict, "value", (uint64_t)sample.value_ns);
        put_uint(dict, "counter-after", sample.counter_after);
        put_uint(dict, "resolution-ns", sample.resolution_ns);
        qlist_append_obj(list, (QObject *)dict);
    }
    return list;
}

static QDict *kvmclock_new(const struct tcs_vm_report *vm)
{
    QDict *dict = qdict_new();

    put_uint(dict, "clock", vm->kvmclock_ns);
    put_uint(dict, "host-counter", vm->kvmclock_host_counter);
    put_uint(dict, "realtime", vm->kvmclock_realtime_ns);
    return dict;
}

static QList *epochs_new(void)
{
    g_autofree struct tcs_epoch *epochs = NULL;
    size_t n = tcs_epochs_copy(&epochs);
    QList *list = qlist_new();

    for (size_t i = 0; i < n; i++) {
        const struct tcs_epoch *epoch = &epochs[i];
        QDict *dict = qdict_new();

        qdict_put_int(dict, "generation", epoch->generation);
        qdict_put_int(dict, "cpu-index", epoch->cpu_index);
        put_uint(dict, "host-counter", epoch->host_counter);
        qdict_put_int(dict, "offset", epoch->map.offset);
        qdict_put_obj(dict, "ratio", (QObject *)ratio_new(&epoch->map));
        put_uint(dict, "bound-ticks", epoch->map.offset_bound);
        qdict_put_str(dict, "cause", epoch->cause);
        qlist_append_obj(list, (QObject *)dict);
    }
    return list;
}

QDict *tcs_reply_new(const char *accel, const struct tcs_vm_report *vm,
                     const struct tcs_vcpu_report *vcpus, size_t n)
{
    QDict *reply = qdict_new();
    QList *list = qlist_new();

    qdict_put_str(reply, "accel", accel);
    qdict_put_bool(reply, "running", vm->running);
    qdict_put_str(reply, "counter", TCS_COUNTER_NAME);
    qdict_put_int(reply, "generation", tcs_epochs_generation());
    if (vm->host_khz) {
        qdict_put_int(reply, "host-counter-khz", vm->host_khz);
    }
    for (size_t i = 0; i < n; i++) {
        qlist_append_obj(list, (QObject *)vcpu_new(vm, &vcpus[i]));
    }
    qdict_put_obj(reply, "vcpus", (QObject *)list);
    if (vm->has_kvmclock) {
        qdict_put_obj(reply, "kvmclock", (QObject *)kvmclock_new(vm));
    }
    qdict_put_obj(reply, "epochs", (QObject *)epochs_new());
    qdict_put_obj(reply, "host-clocks", (QObject *)host_clocks_new());
    return reply;
}
