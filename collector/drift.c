/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See drift.h. The log is walked by host counter; at each step both clocks are
 * looked up in the model. All differences are of 128 bits until what is left is
 * small enough for a double.
 */
#include "drift.h"

#include <string.h>

#include "error.h"
#include "pair.h"
#include "place.h"

/* Moments that are looked at, besides those of samples. */
#define GRID 1000

/* Levels of more than so many times the tallest stretch are told apart. */
#define APART 4.0

typedef __int128 Wide;

/* What the model says at one moment. */
typedef struct {
    guint64 ticks;
    gboolean known;
    guint64 host;  /* its lowest value */
    gint64 lo, hi; /* guest - host, modulo 2^64 */
} Moment;

typedef struct {
    const TcsModel *model;
    const TcsModelClock *counter, *guest, *host;
    TcsDrift *drift;
    GArray *moments; /* of Moment, ascending */
    guint64 start;   /* the first moment's ticks */
    double ns_per_tick;
    /* The line goes through these two. */
    const Moment *from, *to;
} Builder;

static const char *base_name(const char *full)
{
    return strchr(full, ':') + 1;
}

gboolean tcs_drift_default_clocks(TcsModel *model, char **ret_guest,
                                  char **ret_host, GError **error)
{
    static const char *const names[] = { "mono",   "boot",     "mono_raw",
                                         "local",  "x86-tsc",  "tai",
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
        "with --from and --to, such as guest:x86-tsc@0 and "
        "host:x86-tsc");
    return FALSE;
}

static gboolean check_names(const TcsLog *log, const char *guest,
                            const char *host, gboolean *ret_is_ticks,
                            GError **error)
{
    const TcsSample *first = g_ptr_array_index(log->samples, 0);
    const char *counter = first->qmp_before->counter;
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

static Moment look(const Builder *b, guint64 ticks, GError **error)
{
    Moment moment = { .ticks = ticks };
    guint64 guest_lo, guest_hi, host_hi;

    if (tcs_model_convert(b->model, b->counter, b->guest, ticks, &guest_lo,
                          &guest_hi, error) &&
        tcs_model_convert(b->model, b->counter, b->host, ticks, &moment.host,
                          &host_hi, error)) {
        moment.known = TRUE;
        moment.lo = (gint64)(guest_lo - host_hi);
        moment.hi = (gint64)(guest_hi - moment.host);
    }
    return moment;
}

static gint compare_ticks(gconstpointer a, gconstpointer b)
{
    const guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

    return x < y ? -1 : x > y;
}

/* A grid, every sample, and the middle between two. */
static GArray *choose_moments(const TcsLog *log)
{
    GArray *ticks = g_array_new(FALSE, FALSE, sizeof(guint64));
    const TcsSample *first = g_ptr_array_index(log->samples, 0);
    const TcsSample *last =
        g_ptr_array_index(log->samples, log->samples->len - 1);
    const guint64 start = first->window.lo.ticks;
    const guint64 span = last->window.hi.ticks - start;

    for (guint i = 0; i <= GRID; i++) {
        guint64 at = start + (guint64)((Wide)span * i / GRID);

        g_array_append_val(ticks, at);
    }
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        guint64 lo = sample->window.lo.ticks, hi = sample->window.hi.ticks;

        g_array_append_val(ticks, lo);
        g_array_append_val(ticks, hi);
        if (i + 1 < log->samples->len) {
            const TcsSample *next = g_ptr_array_index(log->samples, i + 1);
            guint64 middle = hi + (next->window.lo.ticks - hi) / 2;

            g_array_append_val(ticks, middle);
        }
    }
    g_array_sort(ticks, compare_ticks);
    return ticks;
}

static gboolean look_everywhere(Builder *b, const TcsLog *log, GError **error)
{
    g_autoptr(GArray) ticks = choose_moments(log);
    g_autoptr(GError) why = NULL;
    guint64 last = 0;
    guint known = 0;

    for (guint i = 0; i < ticks->len; i++) {
        const guint64 at = g_array_index(ticks, guint64, i);

        if (i == 0 || at > last) {
            Moment moment = look(b, at, why ? NULL : &why);

            g_array_append_val(b->moments, moment);
            known += moment.known;
        }
        last = at;
    }
    if (known < 2) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the offset is known nowhere in the log: %s",
                    why ? why->message : "there is but one moment");
        return FALSE;
    }
    return TRUE;
}

/* By a clock of the host that runs evenly, over the whole log. */
static double find_ns_per_tick(TcsModel *model, const TcsModelClock *counter,
                               guint64 from, guint64 to)
{
    static const char *const names[] = { "host:mono_raw", "host:mono",
                                         "host:boot" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const TcsModelClock *clock = tcs_model_find(model, names[i], NULL);
        guint64 first, last, ignored;

        if (clock &&
            tcs_model_convert(model, counter, clock, from, &first, &ignored,
                              NULL) &&
            tcs_model_convert(model, counter, clock, to, &last, &ignored,
                              NULL) &&
            last > first) {
            return (double)(last - first) / (double)(to - from);
        }
    }
    return 0;
}

/* Through the middles at either end of the longest stretch. */
static void find_line(Builder *b)
{
    const Moment *begin = NULL;
    guint64 longest = 0;

    for (guint i = 0; i < b->moments->len; i++) {
        const Moment *moment = &g_array_index(b->moments, Moment, i);

        begin = !moment->known ? NULL : begin ? begin : moment;
        if (begin && (!b->from || moment->ticks - begin->ticks > longest)) {
            longest = moment->ticks - begin->ticks;
            b->from = begin;
            b->to = moment;
        }
    }
}

/* From a to b; both are modulo 2^64. */
static Wide difference(gint64 a, gint64 b)
{
    return (gint64)((guint64)b - (guint64)a);
}

static gint64 middle_of(const Moment *moment)
{
    return (gint64)((guint64)moment->lo +
                    (guint64)(difference(moment->lo, moment->hi) / 2));
}

static Wide rise(const Moment *from, const Moment *to)
{
    return difference(middle_of(from), middle_of(to));
}

/* What is left of a value at a moment without the line. */
static double residual(const Builder *b, gint64 value, guint64 ticks)
{
    const Wide run = (Wide)b->to->ticks - (Wide)b->from->ticks;
    const Wide left = difference(middle_of(b->from), value);
    const Wide at = (Wide)ticks - (Wide)b->from->ticks;
    Wide product;

    if (run == 0) {
        return (double)left;
    }
    if (__builtin_mul_overflow(rise(b->from, b->to), at, &product)) {
        return (double)left -
               (double)rise(b->from, b->to) * ((double)at / (double)run);
    }
    /* The whole part exactly, of the rest what a double keeps. */
    return (double)(left - product / run) -
           (double)(product % run) / (double)run;
}

static double time_of(const Builder *b, guint64 ticks)
{
    const double unit = b->drift->has_no_ns ? 1 : b->ns_per_tick;

    return ticks >= b->start ? (double)(ticks - b->start) * unit
                             : -(double)(b->start - ticks) * unit;
}

static void stretch_free(gpointer data)
{
    TcsDriftStretch *stretch = data;

    g_array_unref(stretch->points);
    g_free(stretch);
}

static void add_stretches(Builder *b)
{
    TcsDrift *drift = b->drift;
    TcsDriftStretch *stretch = NULL;
    const Moment *last_known = NULL;

    for (guint i = 0; i < b->moments->len; i++) {
        const Moment *moment = &g_array_index(b->moments, Moment, i);
        TcsDriftPoint point = { .at = time_of(b, moment->ticks) };

        if (!moment->known) {
            stretch = NULL;
            continue;
        }
        if (!stretch) {
            TcsDriftGap gap = { last_known ? time_of(b, last_known->ticks) : 0,
                                point.at };

            if (gap.to > gap.from) {
                g_array_append_val(drift->gaps, gap);
            }
            stretch = g_new0(TcsDriftStretch, 1);
            stretch->points = g_array_new(FALSE, FALSE, sizeof(TcsDriftPoint));
            g_ptr_array_add(drift->stretches, stretch);
        }
        point.lo = residual(b, moment->lo, moment->ticks);
        point.hi = residual(b, moment->hi, moment->ticks);
        g_array_append_val(stretch->points, point);
        last_known = moment;
    }
    if (last_known && time_of(b, last_known->ticks) < drift->span) {
        TcsDriftGap gap = { time_of(b, last_known->ticks), drift->span };

        g_array_append_val(drift->gaps, gap);
    }
}

static const TcsDriftPoint *point_of(const TcsDriftStretch *stretch, guint i)
{
    return &g_array_index(stretch->points, TcsDriftPoint, i);
}

/* Lowest and highest of a stretch. */
static TcsDriftPoint extent(const TcsDriftStretch *stretch)
{
    TcsDriftPoint all = *point_of(stretch, 0);

    for (guint i = 1; i < stretch->points->len; i++) {
        all.lo = MIN(all.lo, point_of(stretch, i)->lo);
        all.hi = MAX(all.hi, point_of(stretch, i)->hi);
    }
    return all;
}

/* How far a stretch is moved down: its middle at its first moment. */
static double level_of(const TcsDriftStretch *stretch)
{
    return (point_of(stretch, 0)->lo + point_of(stretch, 0)->hi) / 2;
}

/* A step of seconds would leave nothing to be seen of bounds of nanoseconds. */
static void separate(TcsDrift *drift)
{
    double lowest = G_MAXDOUBLE, highest = -G_MAXDOUBLE, tallest = 0;

    for (guint i = 0; i < drift->stretches->len; i++) {
        TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);
        const TcsDriftPoint all = extent(stretch);

        lowest = MIN(lowest, all.lo);
        highest = MAX(highest, all.hi);
        tallest = MAX(tallest, all.hi - all.lo);
        if (i > 0) {
            const TcsDriftStretch *before =
                g_ptr_array_index(drift->stretches, i - 1);
            const TcsDriftPoint *last =
                point_of(before, before->points->len - 1);

            stretch->step = level_of(stretch) - (last->lo + last->hi) / 2;
        }
    }
    drift->stretches_apart = highest - lowest > APART * MAX(tallest, 1);
}

static void move_stretches(TcsDrift *drift)
{
    for (guint i = 0; drift->stretches_apart && i < drift->stretches->len;
         i++) {
        TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);
        const double level = level_of(stretch);

        for (guint k = 0; k < stretch->points->len; k++) {
            TcsDriftPoint *point =
                &g_array_index(stretch->points, TcsDriftPoint, k);

            point->lo -= level;
            point->hi -= level;
        }
        for (guint k = 0; k < drift->samples->len; k++) {
            TcsDriftSample *sample =
                &g_array_index(drift->samples, TcsDriftSample, k);

            if (sample->at >= point_of(stretch, 0)->at &&
                sample->at <= point_of(stretch, stretch->points->len - 1)->at) {
                sample->lo -= level;
                sample->hi -= level;
            }
        }
    }
}

/* Counters: the model's own at that moment, which is the vCPU's mapping. */
static gboolean counters_in_sample(const Builder *b, const TcsSample *sample,
                                   TcsDriftSample *ret)
{
    const guint64 middle =
        sample->window.lo.ticks +
        (sample->window.hi.ticks - sample->window.lo.ticks) / 2;
    const Moment moment = look(b, middle, NULL);

    *ret = (TcsDriftSample){ time_of(b, middle), residual(b, moment.lo, middle),
                             residual(b, moment.hi, middle) };
    return moment.known;
}

static gboolean times_in_sample(const Builder *b, const TcsSample *sample,
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
        *ret = (TcsDriftSample){ time_of(b, middle),
                                 residual(b, pair.offset.lo, middle),
                                 residual(b, pair.offset.hi, middle) };
        return TRUE;
    }
    return FALSE;
}

static void add_samples(Builder *b, const TcsLog *log)
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
static void add_epoch(Builder *b, const TcsEpoch *epoch)
{
    GArray *epochs = b->drift->epochs;
    const double at = time_of(b, epoch->host_counter.ticks);
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

static void add_epochs(Builder *b, const TcsLog *log)
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

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void sum_up(TcsDrift *drift)
{
    g_autoptr(GArray) bounds = g_array_new(FALSE, FALSE, sizeof(double));

    for (guint i = 0; i < drift->stretches->len; i++) {
        const TcsDriftStretch *stretch = g_ptr_array_index(drift->stretches, i);

        for (guint k = 0; k < stretch->points->len; k++) {
            const TcsDriftPoint *point = point_of(stretch, k);
            double bound = (point->hi - point->lo) / 2;

            g_array_append_val(bounds, bound);
        }
    }
    g_array_sort(bounds, compare_doubles);
    drift->median_bound = g_array_index(bounds, double, bounds->len / 2);
    drift->worst_bound = g_array_index(bounds, double, bounds->len - 1);
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
    drift->stretches = g_ptr_array_new_with_free_func(stretch_free);
    drift->samples = g_array_new(FALSE, FALSE, sizeof(TcsDriftSample));
    drift->gaps = g_array_new(FALSE, FALSE, sizeof(TcsDriftGap));
    drift->epochs = g_array_new(FALSE, FALSE, sizeof(TcsDriftEpoch));
    g_array_set_clear_func(drift->epochs, clear_epoch);
    return drift;
}

/* Everything but the lookups themselves. */
static void fill(Builder *b, TcsModel *model, const TcsLog *log)
{
    TcsDrift *drift = b->drift;
    const guint64 end =
        g_array_index(b->moments, Moment, b->moments->len - 1).ticks;
    double host_ticks;

    b->start = g_array_index(b->moments, Moment, 0).ticks;
    b->ns_per_tick = find_ns_per_tick(model, b->counter, b->start, end);
    drift->has_no_ns = b->ns_per_tick == 0;
    drift->span = time_of(b, end);
    find_line(b);
    drift->level = middle_of(b->from);
    host_ticks = (double)(b->to->host - b->from->host);
    drift->slope_ppm =
        host_ticks > 0 ? (double)rise(b->from, b->to) / host_ticks * 1e6 : 0;
    add_stretches(b);
    sum_up(drift);
    add_samples(b, log);
    add_epochs(b, log);
    separate(drift);
    move_stretches(drift);
}

TcsDrift *tcs_drift_new(TcsModel *model, const TcsLog *log, const char *guest,
                        const char *host, GError **error)
{
    const TcsSample *first = g_ptr_array_index(log->samples, 0);
    g_autofree char *counter =
        g_strconcat("host:", first->qmp_before->counter, NULL);
    g_autoptr(TcsDrift) drift = drift_new_empty(log, guest, host);
    g_autoptr(GArray) moments = g_array_new(FALSE, FALSE, sizeof(Moment));
    Builder builder = { .model = model, .drift = drift, .moments = moments };

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
    if (!builder.host || !look_everywhere(&builder, log, error)) {
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
