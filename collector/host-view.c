/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See host-view.h.
 */
#include "host-view.h"

#include <sys/timex.h>

#include "clockread/counter.h"
#include "clockread/posix-clock.h"
#include "qmp-reply.h"

static json_object *reading_new(const char *clock, guint64 before,
                                gint64 value_ns, guint64 after,
                                guint64 resolution_ns)
{
    json_object *reading = json_object_new_object();

    json_object_object_add(reading, "clock", json_object_new_string(clock));
    json_object_object_add(reading, "counter-before",
                           json_object_new_uint64(before));
    json_object_object_add(reading, "value", json_object_new_int64(value_ns));
    json_object_object_add(reading, "counter-after",
                           json_object_new_uint64(after));
    json_object_object_add(reading, "resolution-ns",
                           json_object_new_uint64(resolution_ns));
    return reading;
}

json_object *tcs_host_view_new(void)
{
    json_object *view = json_object_new_object();
    json_object *clocks = json_object_new_array();

    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        struct tcs_clock_sample sample;

        if (tcs_posix_clock_read(clock, TCS_CLOCK_SAMPLES_DEFAULT, &sample) ==
            0) {
            json_object_array_add(
                clocks,
                reading_new(clock->name, sample.counter_before, sample.value_ns,
                            sample.counter_after, sample.resolution_ns));
        }
    }
    json_object_object_add(view, "accel",
                           json_object_new_string(TCS_ACCEL_UNKNOWN));
    json_object_object_add(view, "running", json_object_new_boolean(TRUE));
    json_object_object_add(view, "counter",
                           json_object_new_string(TCS_COUNTER_NAME));
    json_object_object_add(view, "generation", json_object_new_int64(0));
    json_object_object_add(view, "vcpus", json_object_new_array());
    json_object_object_add(view, "host-clocks", clocks);
    json_object_object_add(view, "epochs", json_object_new_array());
    return view;
}

json_object *tcs_host_view_clocks(const GArray *clocks, guint first, guint n)
{
    json_object *list = json_object_new_array();

    for (guint i = first; i < first + n; i++) {
        const TcsHostClock *clock = &g_array_index(clocks, TcsHostClock, i);
        const struct tcs_host_reading *reading = &clock->reading;

        json_object_array_add(
            list,
            reading_new(clock->clock, reading->when.lo.ticks, reading->value.lo,
                        reading->when.hi.ticks,
                        (guint64)(reading->value.hi - reading->value.lo)));
    }
    return list;
}

json_object *tcs_host_view_realtime_error(void)
{
    struct timex state = { 0 };
    int status = adjtimex(&state);
    json_object *error = json_object_new_object();

    json_object_object_add(
        error, "synchronized",
        json_object_new_boolean(status >= 0 && status != TIME_ERROR &&
                                !(state.status & STA_UNSYNC)));
    json_object_object_add(
        error, "max-error-ns",
        json_object_new_uint64((guint64)MAX(state.maxerror, 0) * 1000));
    json_object_object_add(
        error, "estimated-error-ns",
        json_object_new_uint64((guint64)MAX(state.esterror, 0) * 1000));
    return error;
}
