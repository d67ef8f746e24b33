/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which clocks there are, who reads them, and on which CPU: the loop around
 * the clock sources. Knows neither JSON nor how any one clock is read.
 */
#include "clocks.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "clockread/clocksource.h"
#include "clockread/counter-kind.h"
#include "clockread/counter.h"
#include "clockread/ptp-kvm.h"
#include "arch-id.h"
#include "boot-id.h"
#include "clock-source.h"
#include "error.h"
#include "pin.h"

/* Extra tries for samples that a migration spoilt. */
#define MIGRATIONS_MAX 100

/* Asked in this order: the tighter way first. */
static const struct tga_clock_source *const sources[] = {
    &tga_source_counter, &tga_source_posix, &tga_source_perf,
    &tga_source_marker,  &tga_source_ptp,
};

/* A clock of its own on each CPU. */
#define PER_CPU_CLOCK "local"

/* ftrace's own: reading one takes a private ftrace instance in the guest. */
#define BY_NAME                                                             \
    "read only when it is asked for by name, because that takes an ftrace " \
    "instance in the guest"

/*
 * All clocks of the guest's that a trace may use, with the reason why no source
 * has one.
 */
static const struct {
    const char *name;
    const char *reason;
} known_clocks[] = {
    { TCS_COUNTER_NAME, "the counter cannot be read" },
    { "mono", "not known to this system" },
    { "mono_raw", "not known to this system" },
    { "boot", "not known to this system" },
    { "tai", "not known to this system" },
    { "realtime", "not known to this system" },
    { PER_CPU_CLOCK, BY_NAME },
    { "global", BY_NAME },
    { "perf", BY_NAME },
    { "uptime", BY_NAME },
    { "counter", BY_NAME },
};

G_DEFINE_QUARK(tga - error - quark, tga_error)

/* Why no source has it; NULL: no system has a clock of this name. */
static const char *reason_if_known(const char *clock)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_clocks); i++) {
        if (strcmp(known_clocks[i].name, clock) == 0) {
            return known_clocks[i].reason;
        }
    }

    const struct tcs_counter_kind *foreign = tcs_counter_kind_find(clock);

    return foreign ? foreign->absent : NULL;
}

static const char *reason_unread(const char *clock)
{
    const char *reason = reason_if_known(clock);

    return reason ? reason : "no clock of this name is known";
}

bool tga_clock_is_known(const char *clock)
{
    return reason_if_known(clock) != NULL ||
           strcmp(clock, TCS_PTP_KVM_NAME) == 0;
}

char *tga_clocks_known(void)
{
    GString *names = g_string_new(known_clocks[0].name);

    for (size_t i = 1; i < G_N_ELEMENTS(known_clocks); i++) {
        g_string_append_printf(names, ", %s", known_clocks[i].name);
    }
    g_string_append(names, ", " TCS_PTP_KVM_NAME);
    return g_string_free(names, FALSE);
}

static uint64_t width(const struct tga_reading *reading)
{
    return reading->counter_after - reading->counter_before;
}

/*
 * One source's tightest reading that was taken wholly on one CPU. A thread
 * that may migrate takes its samples one at a time, so that a check before and
 * after tells which to drop.
 */
static int read_on_one_cpu(const struct tga_clock_source *source,
                           const struct tga_pin *pin, const char *clock,
                           unsigned int samples,
                           struct tga_reading *ret_reading, char **ret_reason)
{
    unsigned int step = pin->held ? samples : 1;
    unsigned int done = 0;
    int wanted = pin->cpu;

    for (unsigned int tries = 0;
         done < samples && tries < samples + MIGRATIONS_MAX; tries++) {
        struct tga_reading reading = { .cpu = sched_getcpu() };
        char *reason = NULL;
        int ret;

        if (wanted >= 0 && reading.cpu != wanted) {
            continue;
        }
        ret = source->read(clock, step, &reading, &reason);
        if (ret == 0 && sched_getcpu() != reading.cpu) {
            continue;
        }
        if (ret == -EAGAIN && !pin->held) {
            g_clear_pointer(&reason, g_free);
            continue;
        }
        if (ret < 0) {
            *ret_reason = reason;
            return ret;
        }
        if (done == 0 || width(&reading) < width(ret_reading)) {
            *ret_reading = reading;
        }
        wanted = reading.cpu;
        done += step;
    }
    if (done == 0) {
        *ret_reason = g_strdup("the thread could not be kept on one CPU");
        return -EAGAIN;
    }
    ret_reading->clock = clock;
    ret_reading->via = source->via;
    return 0;
}

/* Both reasons where two sources failed, cut to what a reply may hold. */
static char *join_reasons(const struct tga_clock_source *source, char *first,
                          char *second)
{
    char *joined;

    if (first == NULL) {
        return second;
    }
    joined = g_strdup_printf("%s; %s: %s", first, source->via, second);
    g_free(first);
    g_free(second);
    return joined;
}

static char *cut_reason(char *reason)
{
    if (strlen(reason) > TGA_REASON_MAX) {
        reason[TGA_REASON_MAX] = '\0';
    }
    return reason;
}

static int read_clock(const struct tga_pin *pin, const char *clock,
                      bool by_name, unsigned int samples,
                      struct tga_reading *ret_reading, char **ret_reason)
{
    char *reason = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        char *why = NULL;

        if (sources[i]->costly && !by_name) {
            continue;
        }
        int ret =
            read_on_one_cpu(sources[i], pin, clock, samples, ret_reading, &why);

        if (ret == 0) {
            g_free(reason);
            return 0;
        }
        if (ret != -ENOENT) {
            reason = join_reasons(sources[i], reason, why);
        }
    }
    if (reason != NULL && !by_name &&
        g_str_equal(reason_unread(clock), BY_NAME)) {
        reason = join_reasons(&tga_source_marker, reason, g_strdup(BY_NAME));
    }
    *ret_reason =
        cut_reason(reason != NULL ? reason : g_strdup(reason_unread(clock)));
    return -ENOENT;
}

/* Lists `cpu` once, with its id read there: checked before and after. */
static void note_cpu(struct tga_report *report, int cpu)
{
    struct tga_cpu entry = { .cpu = cpu };

    for (guint i = 0; i < report->cpus->len; i++) {
        if (g_array_index(report->cpus, struct tga_cpu, i).cpu == cpu) {
            return;
        }
    }
    for (int tries = 0; tries < MIGRATIONS_MAX && !entry.has_arch_id; tries++) {
        entry.has_arch_id = sched_getcpu() == cpu &&
                            tga_arch_id_here(&entry.arch_id) &&
                            sched_getcpu() == cpu;
    }
    g_array_append_val(report->cpus, entry);
}

static void note_unavailable(struct tga_report *report, const char *clock,
                             char *reason)
{
    struct tga_unavailable entry = { .clock = clock, .reason = reason };

    for (guint i = 0; i < report->unavailable->len; i++) {
        if (strcmp(g_array_index(report->unavailable, struct tga_unavailable, i)
                       .clock,
                   clock) == 0) {
            g_free(reason);
            return;
        }
    }
    g_array_append_val(report->unavailable, entry);
}

static void add_clock(struct tga_report *report, const struct tga_pin *pin,
                      const char *clock, bool by_name, unsigned int samples)
{
    struct tga_reading reading;
    char *reason = NULL;

    if (read_clock(pin, clock, by_name, samples, &reading, &reason) < 0) {
        note_unavailable(report, clock, reason);
        return;
    }
    note_cpu(report, reading.cpu);
    g_array_append_val(report->readings, reading);
    if (strcmp(clock, "realtime") == 0) {
        tga_realtime_error_note(&report->realtime_error);
    }
}

/* Returns whether a costly source is going to read the clock. */
static bool prepare_clock(const char *clock, bool by_name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (sources[i]->prepare != NULL && (by_name || !sources[i]->costly) &&
            sources[i]->prepare(clock)) {
            return sources[i]->costly;
        }
    }
    return false;
}

static bool prepare(const struct tga_request *request)
{
    bool is_costly = false;

    if (request->clocks != NULL) {
        for (char **clock = request->clocks; *clock != NULL; clock++) {
            is_costly |= prepare_clock(*clock, true);
        }
        return is_costly;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(known_clocks); i++) {
        is_costly |= prepare_clock(known_clocks[i].name, false);
    }
    return is_costly;
}

static guint idle_timer;

static gboolean on_idle(void *data)
{
    idle_timer = 0;
    tga_clocks_release();
    return G_SOURCE_REMOVE;
}

/* From now on TGA_IDLE_S seconds without a request for what is costly. */
static void restart_idle_timer(void)
{
    if (idle_timer != 0) {
        g_source_remove(idle_timer);
    }
    idle_timer = g_timeout_add_seconds(TGA_IDLE_S, on_idle, NULL);
}

void tga_clocks_release(void)
{
    if (idle_timer != 0) {
        g_source_remove(idle_timer);
        idle_timer = 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (sources[i]->release != NULL) {
            sources[i]->release();
        }
    }
}

/* Clocks that ftrace names, but not on this architecture: told why. */
static void add_foreign_counters(struct tga_report *report,
                                 const struct tga_pin *pin,
                                 unsigned int samples)
{
    for (const struct tcs_counter_kind *kind = tcs_counter_kinds; kind->name;
         kind++) {
        if (kind->ftrace && strcmp(kind->name, TCS_COUNTER_NAME) != 0) {
            add_clock(report, pin, kind->name, false, samples);
        }
    }
}

static void add_clocks(struct tga_report *report, const struct tga_pin *pin,
                       const struct tga_request *request)
{
    if (pin->held) {
        note_cpu(report, pin->cpu);
    }
    if (request->clocks != NULL) {
        for (char **clock = request->clocks; *clock != NULL; clock++) {
            add_clock(report, pin, *clock, true, request->samples);
        }
    } else {
        for (size_t i = 0; i < G_N_ELEMENTS(known_clocks); i++) {
            add_clock(report, pin, known_clocks[i].name, false,
                      request->samples);
        }
        add_foreign_counters(report, pin, request->samples);
    }
}

static bool add_cpu(struct tga_report *report,
                    const struct tga_request *request, int cpu, GError **error)
{
    struct tga_pin pin;

    if (!tga_pin_take_asked(&pin, cpu, error)) {
        return false;
    }
    add_clocks(report, &pin, request);
    tga_pin_release(&pin);
    return true;
}

static bool is_read_on(const struct tga_report *report, const char *clock,
                       int cpu)
{
    for (guint i = 0; i < report->readings->len; i++) {
        const struct tga_reading *reading =
            &g_array_index(report->readings, struct tga_reading, i);

        if (reading->cpu == cpu && strcmp(reading->clock, clock) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Where no CPU was asked for: the first one the process may run on. Always the
 * same one, so that replies compare; and where the vCPUs' counters differ it is
 * CPU 0, whose page kvm-clock's vDSO takes for all (docs/vm-clocks.md).
 */
static bool add_first_cpu(struct tga_report *report,
                          const struct tga_request *request, GError **error)
{
    struct tcs_cpu_set allowed;
    struct tga_pin pin;

    if (tcs_affinity_get(&allowed) == 0) {
        int cpu = 0;

        while (cpu < TCS_CPU_END && !tcs_cpu_set_has(&allowed, cpu)) {
            cpu++;
        }
        if (tga_pin_take(&pin, cpu) == 0 && pin.held) {
            add_clocks(report, &pin, request);
            tga_pin_release(&pin);
            return true;
        }
    }
    /*
     * The affinity may not be changed: wherever it is. Not that first CPU even
     * if it is there now: nothing brings it back once it has been moved.
     */
    return add_cpu(report, request, -1, error);
}

/*
 * A clock that is one of its own on each CPU, where no CPU was asked for: a
 * trace has events of them all, so it is read on all the process may run on.
 */
static void add_everywhere(struct tga_report *report, const char *clock,
                           unsigned int samples)
{
    struct tcs_cpu_set allowed;

    if (tcs_affinity_get(&allowed) < 0) {
        return;
    }
    for (int cpu = 0; cpu < TCS_CPU_END; cpu++) {
        struct tga_pin pin;

        if (tcs_cpu_set_has(&allowed, cpu) && !is_read_on(report, clock, cpu) &&
            tga_pin_take(&pin, cpu) == 0) {
            add_clock(report, &pin, clock, true, samples);
            tga_pin_release(&pin);
        }
    }
}

static char *clocksource_name(void)
{
    char name[64];

    tcs_clocksource_name(name, sizeof(name));
    return g_strdup(name);
}

static void clear_unavailable(void *entry)
{
    g_free(((struct tga_unavailable *)entry)->reason);
}

bool tga_read_clocks(const struct tga_request *request,
                     struct tga_report *ret_report, GError **error)
{
    struct tga_report report = {
        .counter = TCS_COUNTER_NAME,
        .clocksource = clocksource_name(),
        .boot_id = tga_boot_id(),
        .cpus = g_array_new(FALSE, FALSE, sizeof(struct tga_cpu)),
        .readings = g_array_new(FALSE, FALSE, sizeof(struct tga_reading)),
        .unavailable =
            g_array_new(FALSE, FALSE, sizeof(struct tga_unavailable)),
    };

    g_array_set_clear_func(report.unavailable, clear_unavailable);
    if (prepare(request) || idle_timer == 0) {
        restart_idle_timer();
    }
    bool ok = request->n_cpus > 0 || add_first_cpu(&report, request, error);

    for (size_t i = 0; ok && i < request->n_cpus; i++) {
        ok = add_cpu(&report, request, request->cpus[i], error);
    }
    if (!ok) {
        tga_report_clear(&report);
        return false;
    }
    if (request->n_cpus == 0 && request->clocks != NULL &&
        g_strv_contains((const char *const *)request->clocks, PER_CPU_CLOCK)) {
        add_everywhere(&report, PER_CPU_CLOCK, request->samples);
    }
    tga_arch_ids_confirm(report.cpus);
    *ret_report = report;
    return true;
}

void tga_request_clear(struct tga_request *request)
{
    g_strfreev(request->clocks);
    g_free(request->cpus);
    *request = (struct tga_request){ 0 };
}

void tga_report_clear(struct tga_report *report)
{
    g_free(report->clocksource);
    g_array_unref(report->cpus);
    g_array_unref(report->readings);
    g_array_unref(report->unavailable);
    *report = (struct tga_report){ 0 };
}
