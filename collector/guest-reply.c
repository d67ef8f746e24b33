/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Form and range of what the guest says.
 */
#include "guest-reply.h"

#include "error.h"
#include "json-list.h"

#define CPUS_MAX     4096
#define READINGS_MAX 65536

static gboolean parse_cpu(json_object *object, gpointer data, GError **error)
{
    TcsGuestCpu *cpu = data;

    *cpu = (TcsGuestCpu){ .has_arch_id = tcs_json_has(object, "arch-id") };
    return tcs_json_get_i64(object, "cpu", &cpu->cpu, error) &&
           (!cpu->has_arch_id ||
            tcs_json_get_i64(object, "arch-id", &cpu->arch_id, error));
}

static gboolean parse_clock(json_object *object, gpointer data, GError **error)
{
    TcsGuestClock *clock = data;
    guint64 before, after, resolution;
    const char *via, *unit;

    *clock = (TcsGuestClock){ 0 };
    if (!tcs_json_copy_string(object, "clock", clock->clock,
                              sizeof(clock->clock), error) ||
        !tcs_json_get_i64(object, "cpu", &clock->cpu, error) ||
        !tcs_json_get_u64(object, "counter-before", &before, error) ||
        !tcs_json_get_u64(object, "value", &clock->value, error) ||
        !tcs_json_get_u64(object, "counter-after", &after, error) ||
        !tcs_json_get_u64(object, "resolution-ns", &resolution, error) ||
        !tcs_json_get_string(object, "via", 64, &via, error)) {
        return FALSE;
    }
    clock->reading.before.ticks = before;
    clock->reading.after.ticks = after;
    clock->is_counter = g_str_equal(via, "counter");
    clock->is_of_program = g_str_equal(via, "clock_gettime");
    if (tcs_json_has(object, "unit")) {
        if (!tcs_json_get_string(object, "unit", 64, &unit, error)) {
            return FALSE;
        }
        clock->is_count = g_str_equal(unit, "count");
    }
    /* The counter may wrap between two reads; it may not run backward. */
    if (after - before > INT64_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "counter-after is before counter-before");
        return FALSE;
    }
    if (clock->is_counter) {
        if (clock->value - before > after - before) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                        "the counter is outside its own brackets");
            return FALSE;
        }
        return TRUE;
    }
    if (clock->value > INT64_MAX || resolution > G_MAXUINT32) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "value or resolution-ns is out of range");
        return FALSE;
    }
    clock->reading.value =
        tcs_clock_value((gint64)clock->value, (guint32)resolution);
    return TRUE;
}

static gboolean parse_unavailable(json_object *object, gpointer data,
                                  GError **error)
{
    TcsGuestUnavailable *unavailable = data;

    *unavailable = (TcsGuestUnavailable){ 0 };
    return tcs_json_copy_string(object, "clock", unavailable->clock,
                                sizeof(unavailable->clock), error) &&
           tcs_json_copy_string(object, "reason", unavailable->reason,
                                sizeof(unavailable->reason), error);
}

static guint hash_clock(gconstpointer data)
{
    const TcsGuestClock *clock = data;

    return g_str_hash(clock->clock) ^ g_int64_hash(&clock->cpu);
}

static gboolean is_same_clock(gconstpointer a, gconstpointer b)
{
    const TcsGuestClock *left = a, *right = b;

    return left->cpu == right->cpu && g_str_equal(left->clock, right->clock);
}

/* Of two readings of one clock on one CPU none could be preferred. */
static gboolean check_unique(const GArray *clocks, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(hash_clock, is_same_clock);

    for (guint i = 0; i < clocks->len; i++) {
        TcsGuestClock *clock = &g_array_index(clocks, TcsGuestClock, i);

        if (!g_hash_table_add(seen, clock)) {
            g_set_error(
                error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                "readings[%u]: %s is there twice for CPU %" G_GINT64_FORMAT, i,
                clock->clock, clock->cpu);
            return FALSE;
        }
    }
    return TRUE;
}

TcsGuestReply *tcs_guest_reply_parse(json_object *object, GError **error)
{
    g_autoptr(TcsGuestReply) reply = g_new0(TcsGuestReply, 1);

    reply->cpus = g_array_new(FALSE, TRUE, sizeof(TcsGuestCpu));
    reply->clocks = g_array_new(FALSE, TRUE, sizeof(TcsGuestClock));
    reply->unavailable = g_array_new(FALSE, TRUE, sizeof(TcsGuestUnavailable));
    if (!tcs_json_copy_string(object, "counter", reply->counter,
                              sizeof(reply->counter), error) ||
        !tcs_json_copy_string(object, "clocksource", reply->clocksource,
                              sizeof(reply->clocksource), error) ||
        !tcs_json_copy_string(object, "boot-id", reply->boot_id,
                              sizeof(reply->boot_id), error) ||
        !tcs_json_get_list(object, "cpus", CPUS_MAX, parse_cpu, reply->cpus,
                           error) ||
        !tcs_json_get_list(object, "readings", READINGS_MAX, parse_clock,
                           reply->clocks, error) ||
        !check_unique(reply->clocks, error) ||
        !tcs_json_get_list(object, "unavailable", READINGS_MAX,
                           parse_unavailable, reply->unavailable, error)) {
        g_prefix_error(error, "guest-get-trace-clocks: ");
        return NULL;
    }
    return g_steal_pointer(&reply);
}

void tcs_guest_reply_free(TcsGuestReply *reply)
{
    if (reply) {
        g_array_unref(reply->cpus);
        g_array_unref(reply->clocks);
        g_array_unref(reply->unavailable);
        g_free(reply);
    }
}

const TcsGuestCpu *tcs_guest_reply_find_cpu(const TcsGuestReply *reply,
                                            gint64 cpu)
{
    for (guint i = 0; i < reply->cpus->len; i++) {
        const TcsGuestCpu *at = &g_array_index(reply->cpus, TcsGuestCpu, i);

        if (at->cpu == cpu) {
            return at;
        }
    }
    return NULL;
}
