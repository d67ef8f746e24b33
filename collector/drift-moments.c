/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moments of a drift: what the model says at each, and the line through
 * them. All differences are of 128 bits until what is left is small enough for
 * a double.
 */
#include "drift-impl.h"

#include "error.h"

/* Moments that are looked at, besides those of samples. */
#define GRID 1000

TcsDriftMoment tcs_drift_look(const TcsDriftBuilder *b, guint64 ticks,
                              GError **error)
{
    TcsDriftMoment moment = { .ticks = ticks };
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
        guint64 at = start + (guint64)((TcsWide)span * i / GRID);

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

gboolean tcs_drift_look_everywhere(TcsDriftBuilder *b, const TcsLog *log,
                                   GError **error)
{
    g_autoptr(GArray) ticks = choose_moments(log);
    g_autoptr(GError) why = NULL;
    guint64 last = 0;
    guint known = 0;

    for (guint i = 0; i < ticks->len; i++) {
        const guint64 at = g_array_index(ticks, guint64, i);

        if (i == 0 || at > last) {
            TcsDriftMoment moment = tcs_drift_look(b, at, why ? NULL : &why);

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
double tcs_drift_find_ns_per_tick(TcsModel *model, const TcsModelClock *counter,
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
void tcs_drift_find_line(TcsDriftBuilder *b)
{
    const TcsDriftMoment *begin = NULL;
    guint64 longest = 0;

    for (guint i = 0; i < b->moments->len; i++) {
        const TcsDriftMoment *moment =
            &g_array_index(b->moments, TcsDriftMoment, i);

        begin = !moment->known ? NULL : begin ? begin : moment;
        if (begin && (!b->from || moment->ticks - begin->ticks > longest)) {
            longest = moment->ticks - begin->ticks;
            b->from = begin;
            b->to = moment;
        }
    }
}

/* From a to b; both are modulo 2^64. */
static TcsWide difference(gint64 a, gint64 b)
{
    return (gint64)((guint64)b - (guint64)a);
}

gint64 tcs_drift_middle(const TcsDriftMoment *moment)
{
    return (gint64)((guint64)moment->lo +
                    (guint64)(difference(moment->lo, moment->hi) / 2));
}

TcsWide tcs_drift_rise(const TcsDriftMoment *from, const TcsDriftMoment *to)
{
    return difference(tcs_drift_middle(from), tcs_drift_middle(to));
}

/* What is left of a value at a moment without the line. */
double tcs_drift_residual(const TcsDriftBuilder *b, gint64 value, guint64 ticks)
{
    const TcsWide run = (TcsWide)b->to->ticks - (TcsWide)b->from->ticks;
    const TcsWide left = difference(tcs_drift_middle(b->from), value);
    const TcsWide at = (TcsWide)ticks - (TcsWide)b->from->ticks;
    TcsWide product;

    if (run == 0) {
        return (double)left;
    }
    if (__builtin_mul_overflow(tcs_drift_rise(b->from, b->to), at, &product)) {
        return (double)left - (double)tcs_drift_rise(b->from, b->to) *
                                  ((double)at / (double)run);
    }
    /* The whole part exactly, of the rest what a double keeps. */
    return (double)(left - product / run) -
           (double)(product % run) / (double)run;
}

double tcs_drift_time(const TcsDriftBuilder *b, guint64 ticks)
{
    const double unit = b->drift->has_no_ns ? 1 : b->ns_per_tick;

    return ticks >= b->start ? (double)(ticks - b->start) * unit
                             : -(double)(b->start - ticks) * unit;
}
