/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See drift.h. The log is walked by host counter; at each step both clocks are
 * looked up in the model.
 */
#include "drift-impl.h"

#include <string.h>

#include "error.h"
#include "pair.h"
#include "place.h"
#include "trace-clock.h"

static const char *base_name(const char *full)
{
    return strchr(full, ':') + 1;
}

gboolean tcs_drift_default_clocks(TcsModel *model, const TcsLog *log,
                                  char **ret_guest, char **ret_host,
                                  GError **error)
{
    const char *counter = tcs_trace_clock_counter(log);
    const char *const names[] = { "mono",   "boot",     "mono_raw",
                                  "local",  counter,    "tai",
                                  "global", "realtime", "perf" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *guest = g_strconcat("guest:", names[i], NULL);
        g_autofree char *host =
            g_strconcat("host:", tcs_pair_default_host(names[i]), NULL);

        if (tcs_model_find(model, guest, NULL) &&
            tcs_model_find(model, host, NULL)) {
            *ret_guest = g_steal_pointer(&guest);
            *ret_host = g_steal_pointer(&host);
            return TRUE;
        }
    }
    g_set_error(
        error, TCS_ERROR, TCS_ERROR_REFUSED,
        "the log has no clock of the guest that the host has as well; "
        "was an agent asked (record --agent)? Otherwise name two clocks "
        "with --from and --to, such as guest:%s@0 and host:%s",
        counter, counter);
    return FALSE;
}

static gboolean check_names(const TcsLog *log, const char *guest,
                            const char *host, gboolean *ret_is_ticks,
                            GError **error)
{
    const char *counter = tcs_trace_clock_counter(log);
    g_autofree char *base = NULL;
    g_autofree char *why = NULL;

    if (!g_str_has_prefix(guest, "guest:") ||
        !g_str_has_prefix(host, "host:")) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--from takes a clock of the guest and --to one of the "
                    "host, such as guest:mono and host:mono");
        return FALSE;
    }
    base = g_strdup(base_name(guest));
    base[strcspn(base, "@")] = '\0';
    *ret_is_ticks = g_str_equal(base, counter);
    why = tcs_pair_mismatch(base, *ret_is_ticks, g_str_equal(base, "counter"),
                            base_name(host));
    if (why) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_REFUSED, why);
        return FALSE;
    }
    return TRUE;
}

/* Counters: the model's own at that moment, which is the vCPU's mapping. */
static gboolean counters_in_sample(const TcsDriftBuilder *b,
                                   const TcsSample *sample, TcsDriftSample *ret)
{
    const guint64 middle =
        sample->window.lo.ticks +
        (sample->window.hi.ticks - sample->window.lo.ticks) / 2;
    const TcsDriftMoment moment = tcs_drift_look(b, middle, NULL);

    *ret = (TcsDriftSample){ tcs_drift_time(b, middle),
                             tcs_drift_residual(b, moment.lo, middle),
                             tcs_drift_residual(b, moment.hi, middle) };
    return moment.known;
}

static gboolean times_in_sample(const TcsDriftBuilder *b,
                                const TcsSample *sample,
                                struct tcs_rate_span rate, TcsDriftSample *ret)
{
    const char *name = base_name(b->drift->guest);

    for (guint i = 0; sample->guest && i < sample->guest->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(sample->guest->clocks, TcsGuestClock, i);
        g_autofree char *of_cpu =
            g_strdup_printf("%s@%" G_GINT64_FORMAT, clock->clock, clock->cpu);
        struct tcs_host_reading placed;
        const TcsVcpu *vcpu;
        gboolean contradiction;
        guint64 middle;
        TcsPair pair;

        if (clock->is_counter || clock->is_count ||
            (!g_str_equal(clock->clock, name) && !g_str_equal(of_cpu, name)) ||
            !tcs_place_reading(sample, clock, &placed, &vcpu, &contradiction,
                               NULL) ||
            !tcs_pair_in_sample(sample, clock, base_name(b->drift->host), rate,
                                &pair, &contradiction, NULL)) {
            continue;
        }
        middle = placed.when.lo.ticks +
                 (placed.when.hi.ticks - placed.when.lo.ticks) / 2;
        *ret =
            (TcsDriftSample){ tcs_drift_time(b, middle),
                              tcs_drift_residual(b, pair.offset.lo, middle),
                              tcs_drift_residual(b, pair.offset.hi, middle) };
        return TRUE;
    }
    return FALSE;
}

static void add_samples(TcsDriftBuilder *b, const TcsLog *log)
{
    const struct tcs_rate_span rate = tcs_pair_host_rate(
        log->samples, base_name(b->drift->host), log->host_slew_ppm);

    b->drift->n_samples = log->samples->len;
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        TcsDriftSample found;

        if (b->drift->is_ticks ? counters_in_sample(b, sample, &found)
                               : times_in_sample(b, sample, rate, &found)) {
            g_array_append_val(b->drift->samples, found);
        } else {
            b->drift->n_unplaced++;
        }
    }
}

/* One mark for all vCPUs that had it together. */
static void add_epoch(TcsDriftBuilder *b, const TcsEpoch *epoch)
{
    GArray *epochs = b->drift->epochs;
    const double at = tcs_drift_time(b, epoch->host_counter.ticks);
    TcsDriftEpoch *last =
        epochs->len ? &g_array_index(epochs, TcsDriftEpoch, epochs->len - 1)
                    : NULL;
    TcsDriftEpoch mark = { .at = at, .vcpus = 1 };

    if (at < 0 || at > b->drift->span) {
        return;
    }
    /* QEMU asks its vCPUs one right after the other. */
    if (last && g_str_equal(last->cause, epoch->cause) &&
        at - last->at < b->drift->span / 2000) {
        last->vcpus++;
        return;
    }
    mark.cause = g_strdup(epoch->cause);
    g_array_append_val(epochs, mark);
}

static gint compare_epochs(gconstpointer a, gconstpointer b)
{
    const double x = ((const TcsDriftEpoch *)a)->at;
    const double y = ((const TcsDriftEpoch *)b)->at;

    return x < y ? -1 : x > y;
}

static void add_epochs(TcsDriftBuilder *b, const TcsLog *log)
{
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const TcsQmpReply *replies[] = { sample->qmp_before,
                                         sample->qmp_after };

        for (guint r = 0; r < G_N_ELEMENTS(replies); r++) {
            for (guint e = 0; e < replies[r]->epochs->len; e++) {
                add_epoch(b, &g_array_index(replies[r]->epochs, TcsEpoch, e));
            }
        }
    }
    g_array_sort(b->drift->epochs, compare_epochs);
}

static void clear_epoch(gpointer data)
{
    g_free(((TcsDriftEpoch *)data)->cause);
}

static TcsDrift *drift_new_empty(const TcsLog *log, const char *guest,
                                 const char *host)
{
    TcsDrift *drift = g_new0(TcsDrift, 1);

    drift->guest = g_strdup(guest);
    drift->host = g_strdup(host);
    drift->vm = g_strdup(log->vm);
    drift->stretches = g_ptr_array_new_with_free_func(tcs_drift_stretch_free);
    drift->samples = g_array_new(FALSE, FALSE, sizeof(TcsDriftSample));
    drift->gaps = g_array_new(FALSE, FALSE, sizeof(TcsDriftGap));
    drift->epochs = g_array_new(FALSE, FALSE, sizeof(TcsDriftEpoch));
    g_array_set_clear_func(drift->epochs, clear_epoch);
    return drift;
}

/* Everything but the lookups themselves. */
static void fill(TcsDriftBuilder *b, TcsModel *model, const TcsLog *log)
{
    TcsDrift *drift = b->drift;
    const guint64 end =
        g_array_index(b->moments, TcsDriftMoment, b->moments->len - 1).ticks;
    double host_ticks;

    b->start = g_array_index(b->moments, TcsDriftMoment, 0).ticks;
    b->ns_per_tick =
        tcs_drift_find_ns_per_tick(model, b->counter, b->start, end);
    drift->has_no_ns = b->ns_per_tick == 0;
    drift->span = tcs_drift_time(b, end);
    tcs_drift_find_line(b);
    drift->level = tcs_drift_middle(b->from);
    host_ticks = (double)(b->to->host - b->from->host);
    drift->slope_ppm = host_ticks > 0 ? (double)tcs_drift_rise(b->from, b->to) /
                                            host_ticks * 1e6
                                      : 0;
    tcs_drift_add_stretches(b);
    tcs_drift_sum_up(drift);
    add_samples(b, log);
    add_epochs(b, log);
    tcs_drift_separate(drift);
    tcs_drift_move_stretches(drift);
}

TcsDrift *tcs_drift_new(TcsModel *model, const TcsLog *log, const char *guest,
                        const char *host, GError **error)
{
    g_autofree char *counter =
        g_strconcat("host:", tcs_trace_clock_counter(log), NULL);
    g_autoptr(TcsDrift) drift = drift_new_empty(log, guest, host);
    g_autoptr(GArray) moments =
        g_array_new(FALSE, FALSE, sizeof(TcsDriftMoment));
    TcsDriftBuilder builder = { .model = model,
                                .drift = drift,
                                .moments = moments };

    if (!check_names(log, guest, host, &drift->is_ticks, error)) {
        return NULL;
    }
    if (log->samples->len < 2) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the log has one sample only: there is no course to draw; "
                    "`record` for longer, or let `show` tell the offset");
        return NULL;
    }
    builder.counter = tcs_model_find(model, counter, error);
    builder.guest =
        builder.counter ? tcs_model_find(model, guest, error) : NULL;
    builder.host = builder.guest ? tcs_model_find(model, host, error) : NULL;
    if (!builder.host || !tcs_drift_look_everywhere(&builder, log, error)) {
        return NULL;
    }
    fill(&builder, model, log);
    return g_steal_pointer(&drift);
}

void tcs_drift_free(TcsDrift *drift)
{
    if (drift) {
        g_free(drift->guest);
        g_free(drift->host);
        g_free(drift->vm);
        g_ptr_array_unref(drift->stretches);
        g_array_unref(drift->samples);
        g_array_unref(drift->gaps);
        g_array_unref(drift->epochs);
        g_free(drift);
    }
}
