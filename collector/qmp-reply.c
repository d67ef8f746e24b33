/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Validation of what QEMU says. QEMU is trusted more than the guest, but a
 * proxy or a wrong socket may sit in between.
 */
#include "qmp-reply.h"

#include "error.h"
#include "json-list.h"

#define VCPUS_MAX       4096
#define HOST_CLOCKS_MAX 64
#define EPOCHS_MAX      16384

static gboolean parse_map(json_object *object, struct tcs_counter_map *ret,
                          GError **error)
{
    guint64 multiplier, shift, bound;
    gint64 offset;
    json_object *ratio;

    if (!tcs_json_get_i64(object, "offset", &offset, error) ||
        !tcs_json_get_u64(object, "bound-ticks", &bound, error) ||
        !tcs_json_get_object(object, "ratio", &ratio, error) ||
        !tcs_json_get_u64(ratio, "multiplier", &multiplier, error) ||
        !tcs_json_get_u64(ratio, "shift", &shift, error)) {
        return FALSE;
    }
    if (shift > TCS_COUNTER_MAP_SHIFT_MAX ||
        tcs_counter_map_init(ret, multiplier, (unsigned int)shift, offset,
                             bound) < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "ratio or bound-ticks out of range");
        return FALSE;
    }
    return TRUE;
}

static gboolean parse_counters(json_object *object, struct tcs_host_span *ret,
                               GError **error)
{
    guint64 before, after;

    if (!tcs_json_get_u64(object, "counter-before", &before, error) ||
        !tcs_json_get_u64(object, "counter-after", &after, error)) {
        return FALSE;
    }
    if (before > after) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "counter-before is above counter-after");
        return FALSE;
    }
    ret->lo.ticks = before;
    ret->hi.ticks = after;
    return TRUE;
}

static gboolean parse_vcpu(json_object *object, gpointer data, GError **error)
{
    TcsVcpu *ret = data;

    *ret = (TcsVcpu){ 0 };
    if (!tcs_json_get_i64(object, "cpu-index", &ret->cpu_index, error) ||
        !tcs_json_get_bool(object, "stable", &ret->stable, error)) {
        return FALSE;
    }
    ret->has_arch_id = tcs_json_has(object, "arch-id");
    if (ret->has_arch_id &&
        !tcs_json_get_i64(object, "arch-id", &ret->arch_id, error)) {
        return FALSE;
    }
    if (tcs_json_has(object, "thread-id") &&
        !tcs_json_get_i64(object, "thread-id", &ret->thread_id, error)) {
        return FALSE;
    }
    if (!ret->stable && !tcs_json_copy_string(object, "reason", ret->reason,
                                              sizeof(ret->reason), error)) {
        return FALSE;
    }
    /* Absent where the vCPU did not answer, and then it has no mapping. */
    if ((tcs_json_has(object, "counter-before") ||
         tcs_json_has(object, "offset")) &&
        !parse_counters(object, &ret->read_at, error)) {
        return FALSE;
    }
    ret->has_map = tcs_json_has(object, "offset");
    if (ret->has_map) {
        return parse_map(object, &ret->map, error) &&
               tcs_json_copy_string(object, "source", ret->source,
                                    sizeof(ret->source), error) &&
               tcs_json_copy_string(object, "ratio-source", ret->ratio_source,
                                    sizeof(ret->ratio_source), error);
    }
    if (ret->stable) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "stable is true and offset is missing");
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_host_clock_parse(json_object *object, gpointer data,
                              GError **error)
{
    TcsHostClock *ret = data;
    guint64 value, resolution;

    *ret = (TcsHostClock){ 0 };
    if (!tcs_json_copy_string(object, "clock", ret->clock, sizeof(ret->clock),
                              error) ||
        !parse_counters(object, &ret->reading.when, error) ||
        !tcs_json_get_u64(object, "value", &value, error) ||
        !tcs_json_get_u64(object, "resolution-ns", &resolution, error)) {
        return FALSE;
    }
    if (value > INT64_MAX || resolution > G_MAXUINT32) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "value or resolution-ns is out of range");
        return FALSE;
    }
    ret->reading.value = tcs_clock_value((gint64)value, (guint32)resolution);
    return TRUE;
}

static gboolean parse_epoch(json_object *object, gpointer data, GError **error)
{
    TcsEpoch *ret = data;

    *ret = (TcsEpoch){ 0 };
    if (!tcs_json_get_i64(object, "generation", &ret->generation, error) ||
        !tcs_json_get_i64(object, "cpu-index", &ret->cpu_index, error) ||
        !tcs_json_get_u64(object, "host-counter", &ret->host_counter.ticks,
                          error) ||
        !parse_map(object, &ret->map, error) ||
        !tcs_json_copy_string(object, "cause", ret->cause, sizeof(ret->cause),
                              error)) {
        return FALSE;
    }
    ret->is_first = g_str_equal(ret->cause, "first seen");
    ret->is_arrival = g_str_equal(ret->cause, "migration");
    return TRUE;
}

TcsQmpReply *tcs_qmp_reply_parse(json_object *object, GError **error)
{
    g_autoptr(TcsQmpReply) reply = g_new0(TcsQmpReply, 1);

    reply->vcpus = g_array_new(FALSE, TRUE, sizeof(TcsVcpu));
    reply->host_clocks = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    reply->epochs = g_array_new(FALSE, TRUE, sizeof(TcsEpoch));
    if (!tcs_json_copy_string(object, "accel", reply->accel,
                              sizeof(reply->accel), error) ||
        !tcs_json_copy_string(object, "counter", reply->counter,
                              sizeof(reply->counter), error) ||
        !tcs_json_get_bool(object, "running", &reply->running, error) ||
        !tcs_json_get_i64(object, "generation", &reply->generation, error) ||
        !tcs_json_get_list(object, "vcpus", VCPUS_MAX, parse_vcpu, reply->vcpus,
                           error) ||
        !tcs_json_get_list(object, "host-clocks", HOST_CLOCKS_MAX,
                           tcs_host_clock_parse, reply->host_clocks, error) ||
        !tcs_json_get_list(object, "epochs", EPOCHS_MAX, parse_epoch,
                           reply->epochs, error)) {
        g_prefix_error(error, "query-trace-clock-sync: ");
        return NULL;
    }
    return g_steal_pointer(&reply);
}

void tcs_qmp_reply_free(TcsQmpReply *reply)
{
    if (reply) {
        g_array_unref(reply->vcpus);
        g_array_unref(reply->host_clocks);
        g_array_unref(reply->epochs);
        g_free(reply);
    }
}

static void include(struct tcs_host_span *all, struct tcs_host_span read_at)
{
    all->lo.ticks = MIN(all->lo.ticks, read_at.lo.ticks);
    all->hi.ticks = MAX(all->hi.ticks, read_at.hi.ticks);
}

gboolean tcs_qmp_reply_counters(const TcsQmpReply *reply,
                                struct tcs_host_span *ret)
{
    struct tcs_host_span all = { { G_MAXUINT64 }, { 0 } };

    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (vcpu->read_at.hi.ticks != 0) {
            include(&all, vcpu->read_at);
        }
    }
    for (guint i = 0; i < reply->host_clocks->len; i++) {
        include(
            &all,
            g_array_index(reply->host_clocks, TcsHostClock, i).reading.when);
    }
    if (all.lo.ticks > all.hi.ticks) {
        return FALSE;
    }
    *ret = all;
    return TRUE;
}

static gboolean is_stable(const TcsQmpReply *reply)
{
    for (guint i = 0; i < reply->vcpus->len; i++) {
        if (!g_array_index(reply->vcpus, TcsVcpu, i).stable) {
            return FALSE;
        }
    }
    return TRUE;
}

gboolean tcs_qmp_reply_same_mappings(const TcsQmpReply *before,
                                     const TcsQmpReply *after, GError **error)
{
    if (before->vcpus->len != after->vcpus->len) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "vCPUs were plugged or unplugged meanwhile; try again");
        return FALSE;
    }
    for (guint i = 0; i < before->vcpus->len; i++) {
        const TcsVcpu *a = &g_array_index(before->vcpus, TcsVcpu, i);
        const TcsVcpu *b = &g_array_index(after->vcpus, TcsVcpu, i);

        if (a->cpu_index != b->cpu_index || a->stable != b->stable ||
            (a->has_map && b->has_map && a->stable && b->stable &&
             !tcs_counter_map_may_be_same(&a->map, &b->map))) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the counter mapping of vCPU %" G_GINT64_FORMAT
                        " changed meanwhile (reset, migration, or the guest "
                        "wrote its TSC); try again",
                        a->cpu_index);
            return FALSE;
        }
    }
    /* Mappings that are not stable may change all the time. */
    if (before->generation != after->generation && is_stable(after)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "a counter mapping changed and changed back meanwhile; try "
                    "again");
        return FALSE;
    }
    return TRUE;
}
