/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See log-host-clocks.h.
 */
#include "log-host-clocks.h"

#include "clockread/affinity.h"
#include "error.h"
#include "host-clock-name.h"
#include "json-list.h"

#define MEMBER     "host-clocks"
#define CLOCKS_MAX (16 * TCS_CPU_END)

static uint64_t width(const TcsHostClock *clock)
{
    return clock->reading.when.hi.ticks - clock->reading.when.lo.ticks;
}

/* Readings of one clock follow each other. */
static const TcsHostClock *tightest(const GArray *clocks, guint first,
                                    guint *ret_end)
{
    const TcsHostClock *best = &g_array_index(clocks, TcsHostClock, first);
    guint i;

    for (i = first + 1; i < clocks->len; i++) {
        const TcsHostClock *clock = &g_array_index(clocks, TcsHostClock, i);

        if (!g_str_equal(clock->clock, best->clock)) {
            break;
        }
        best = width(clock) < width(best) ? clock : best;
    }
    *ret_end = i;
    return best;
}

static json_object *reading_new(const TcsHostClockName *name,
                                const struct tcs_host_reading *reading)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "clock", json_object_new_string(name->base));
    if (name->cpu >= 0) {
        json_object_object_add(object, "cpu", json_object_new_int(name->cpu));
    }
    json_object_object_add(object, "counter-before",
                           json_object_new_uint64(reading->when.lo.ticks));
    json_object_object_add(object, "value",
                           json_object_new_int64(reading->value.lo));
    json_object_object_add(object, "counter-after",
                           json_object_new_uint64(reading->when.hi.ticks));
    json_object_object_add(
        object, "resolution-ns",
        json_object_new_int64(reading->value.hi - reading->value.lo));
    return object;
}

void tcs_log_add_host_clocks(json_object *line, const TcsSample *sample)
{
    g_autoptr(json_object) list = json_object_new_array();
    const GArray *clocks = sample->local_clocks;

    for (guint i = 0; i < clocks->len;) {
        const TcsHostClock *clock = tightest(clocks, i, &i);
        TcsHostClockName name;

        /* The others are in QEMU's answers. */
        if (tcs_host_clock_name_parse(clock->clock, &name, NULL) &&
            (name.kind == TCS_HOST_CLOCK_FTRACE ||
             name.kind == TCS_HOST_CLOCK_COUNT)) {
            json_object_array_add(list, reading_new(&name, &clock->reading));
        }
    }
    if (json_object_array_length(list) > 0) {
        json_object_object_add(line, MEMBER, g_steal_pointer(&list));
    }
}

static gboolean parse_reading(json_object *object, gpointer data,
                              GError **error)
{
    TcsHostClock *ret = data;
    guint64 cpu = 0, before, value, after, resolution;
    gboolean has_cpu = tcs_json_has(object, "cpu");
    char base[sizeof(ret->clock)];
    g_autofree char *name = NULL;

    if (!tcs_json_copy_string(object, "clock", base, sizeof(base), error) ||
        (has_cpu && !tcs_json_get_u64(object, "cpu", &cpu, error)) ||
        !tcs_json_get_u64(object, "counter-before", &before, error) ||
        !tcs_json_get_u64(object, "value", &value, error) ||
        !tcs_json_get_u64(object, "counter-after", &after, error) ||
        !tcs_json_get_u64(object, "resolution-ns", &resolution, error)) {
        return FALSE;
    }
    if (cpu >= TCS_CPU_END || before > after || value > INT64_MAX ||
        resolution > G_MAXUINT32) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "cpu, counters, value or resolution-ns are out of range");
        return FALSE;
    }
    name = tcs_host_clock_name_format(base, has_cpu ? (int)cpu : -1);
    *ret = (TcsHostClock){
        .reading.when.lo.ticks = before,
        .reading.when.hi.ticks = after,
        .reading.value = tcs_clock_value((gint64)value, (guint32)resolution),
    };
    g_strlcpy(ret->clock, name, sizeof(ret->clock));
    return TRUE;
}

gboolean tcs_log_take_host_clocks(json_object *line, GArray *clocks,
                                  GError **error)
{
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));

    if (!tcs_json_has(line, MEMBER)) {
        return TRUE;
    }
    if (!tcs_json_get_list(line, MEMBER, CLOCKS_MAX, parse_reading, list,
                           error)) {
        return FALSE;
    }
    g_array_append_vals(clocks, list->data, list->len);
    return TRUE;
}
