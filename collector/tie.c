/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See tie.h.
 */
#include "tie.h"

#include <errno.h>

#include "clocksync/moment.h"
#include "error.h"
#include "guest-reply.h"
#include "json-list.h"
#include "qmp-reply.h"

#define HOST_READINGS_MAX 64
/* The agent keeps the tightest of so many; its answer stays short. */
#define CLOCK_SAMPLES 8

json_object *tcs_tie_clock_arguments(const char *clock, gint64 cpu)
{
    json_object *arguments = json_object_new_object();
    json_object *clocks = json_object_new_array();

    json_object_array_add(clocks, json_object_new_string(clock));
    json_object_object_add(arguments, "clocks", clocks);
    json_object_object_add(arguments, "samples",
                           json_object_new_int(CLOCK_SAMPLES));
    if (cpu >= 0) {
        json_object *cpus = json_object_new_array();

        json_object_array_add(cpus, json_object_new_int64(cpu));
        json_object_object_add(arguments, "cpus", cpus);
    }
    return arguments;
}

gboolean tcs_tie_clock_cpu(json_object *reply, gint64 *ret_cpu, GError **error)
{
    json_object *readings, *first;

    if (!tcs_json_get_array(reply, "readings", 1, &readings, error)) {
        return FALSE;
    }
    first = json_object_array_get_idx(readings, 0);
    if (!json_object_is_type(first, json_type_object)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "readings[0] is not an object");
        return FALSE;
    }
    return tcs_json_get_i64(first, "cpu", ret_cpu, error);
}

gboolean tcs_tie_from_clock(json_object *record, const char *clock,
                            TcsAnswer *ret_answer, GError **error)
{
    json_object *reply;
    g_autoptr(TcsGuestReply) guest = NULL;
    const TcsGuestClock *reading;

    if (!tcs_json_get_object(record, "reply", &reply, error)) {
        return FALSE;
    }
    guest = tcs_guest_reply_parse(reply, error);
    if (!guest) {
        return FALSE;
    }
    if (guest->clocks->len == 0 && guest->unavailable->len > 0) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED, "the guest has no %s: %s",
            clock,
            g_array_index(guest->unavailable, TcsGuestUnavailable, 0).reason);
        return FALSE;
    }
    reading = &g_array_index(guest->clocks, TcsGuestClock, 0);
    if (guest->clocks->len != 1 || !g_str_equal(reading->clock, clock) ||
        reading->is_counter || reading->is_count) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "not one reading of %s, which was asked for", clock);
        return FALSE;
    }
    g_strlcpy(ret_answer->counter, guest->counter, sizeof(ret_answer->counter));
    g_strlcpy(ret_answer->boot_id, guest->boot_id, sizeof(ret_answer->boot_id));
    ret_answer->tie.cpu = reading->cpu;
    ret_answer->tie.floor = reading->reading.before;
    ret_answer->tie.ceiling = reading->reading.after;
    ret_answer->tie.value = reading->reading.value;
    return TRUE;
}

gboolean tcs_tie_when_realtime(json_object *record, struct tcs_ns_span value,
                               struct tcs_rate_span rate,
                               struct tcs_host_span *ret_when, GError **error)
{
    g_autoptr(GArray) clocks = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    g_autoptr(GArray) readings =
        g_array_new(FALSE, FALSE, sizeof(struct tcs_host_reading));
    guint64 before, after;

    if (!tcs_json_get_u64(record, "counter-before", &before, error) ||
        !tcs_json_get_u64(record, "counter-after", &after, error) ||
        !tcs_json_get_list(record, "host-realtime", HOST_READINGS_MAX,
                           tcs_host_clock_parse, clocks, error)) {
        return FALSE;
    }
    for (guint i = 0; i < clocks->len; i++) {
        g_array_append_val(readings,
                           g_array_index(clocks, TcsHostClock, i).reading);
    }
    if (tcs_host_readings_when((const struct tcs_host_reading *)readings->data,
                               readings->len, value, rate, ret_when) < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the host's realtime was set meanwhile; try again");
        return FALSE;
    }
    if (ret_when->lo.ticks > after || ret_when->hi.ticks < before) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "by the host's realtime the guest answered outside of the "
            "time in which it was asked (host counter %" G_GUINT64_FORMAT
            " to %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT
            " to %" G_GUINT64_FORMAT ")",
            before, after, ret_when->lo.ticks, ret_when->hi.ticks);
        return FALSE;
    }
    return TRUE;
}
