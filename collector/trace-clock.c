/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-clock.h.
 */
#include "trace-clock.h"

#include "clockread/counter-kind.h"
#include "error.h"
#include "guest-vcpu.h"

static const struct tcs_counter_kind *find_kind(const char *name)
{
    const struct tcs_counter_kind *kind = tcs_counter_kind_of_ftrace(name);

    return kind ? kind : tcs_counter_kind_find(name);
}

gboolean tcs_trace_clock_is_counter(const char *name)
{
    /* What trace-cmd calls the counter where it has a factor to nanoseconds. */
    return find_kind(name) || g_str_equal(name, "tsc2nsec");
}

const char *tcs_trace_clock_counter(const TcsLog *log)
{
    const TcsSample *first = g_ptr_array_index(log->samples, 0);

    return first->qmp_before->counter;
}

static gboolean check_is_time(const char *side, const char *name,
                              GError **error)
{
    if (g_str_equal(name, "counter") || g_str_equal(name, "uptime")) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the %s's trace was recorded with clock '%s', which is %s: "
                    "record with `trace-cmd record -C mono`",
                    side, name,
                    name[0] == 'c' ? "a number of events and no time"
                                   : "too coarse to be lined up");
        return FALSE;
    }
    return TRUE;
}

/* That the log lacks a clock is no wrong usage here. */
static const TcsModelClock *find(TcsModel *model, const char *name,
                                 const char *side, GError **error)
{
    g_autoptr(GError) local = NULL;
    const TcsModelClock *clock = tcs_model_find(model, name, &local);

    if (!clock) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "%s. Record the %s's trace with one of these clocks "
            "(trace-cmd record -C), or say with --%s-clock which one it "
            "was recorded with",
            local->message, side, side);
    }
    return clock;
}

/* In a log; that of another machine is not there. */
static const char *counter_name(const TcsLog *log, const char *name)
{
    const struct tcs_counter_kind *kind = find_kind(name);

    return kind ? kind->name : tcs_trace_clock_counter(log);
}

const TcsModelClock *tcs_trace_clock_host(TcsModel *model, const TcsLog *log,
                                          const char *name, GError **error)
{
    g_autofree char *full = g_strconcat(
        "host:",
        tcs_trace_clock_is_counter(name) ? counter_name(log, name) : name,
        NULL);

    return check_is_time("host", name, error) ? find(model, full, "host", error)
                                              : NULL;
}

const TcsModelClock *tcs_trace_clock_guest(TcsModel *model, const TcsLog *log,
                                           const char *name, gint64 guest_cpu,
                                           GError **error)
{
    g_autofree char *full = NULL;

    if (!check_is_time("guest", name, error)) {
        return NULL;
    }
    if (tcs_trace_clock_is_counter(name)) {
        const TcsVcpu *vcpu = tcs_guest_vcpu(log, guest_cpu, error);

        if (!vcpu) {
            return NULL;
        }
        full = g_strdup_printf("guest:%s@%" G_GINT64_FORMAT,
                               counter_name(log, name), vcpu->cpu_index);
    } else if (g_str_equal(name, "local")) {
        full = g_strdup_printf("guest:local@%" G_GINT64_FORMAT, guest_cpu);
    } else {
        full = g_strconcat("guest:", name, NULL);
    }
    return find(model, full, "guest", error);
}
