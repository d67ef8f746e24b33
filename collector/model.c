/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See model.h; docs/error-model.md says what is assumed between samples.
 */
#include "model-impl.h"

#include <errno.h>
#include <string.h>

#include "clock-name.h"
#include "error.h"

static void clock_free(gpointer data)
{
    TcsModelClock *clock = data;

    tcs_counter_epochs_clear(&clock->epochs);
    tcs_counter_lines_free(clock->lines);
    tcs_timeline_clear(&clock->timeline);
    tcs_staircase_clear(&clock->staircase);
    g_free(clock->name);
    g_free(clock);
}

TcsModel *tcs_model_new_empty(void)
{
    TcsModel *model = g_new0(TcsModel, 1);

    model->clocks = g_ptr_array_new_with_free_func(clock_free);
    model->warnings = g_ptr_array_new_with_free_func(g_free);
    return model;
}

void tcs_model_free(TcsModel *model)
{
    if (model) {
        g_ptr_array_unref(model->clocks);
        g_ptr_array_unref(model->warnings);
        g_free(model);
    }
}

const GPtrArray *tcs_model_warnings(const TcsModel *model)
{
    return model->warnings;
}

const GPtrArray *tcs_model_clocks(const TcsModel *model)
{
    return model->clocks;
}

const char *tcs_model_clock_name(const TcsModelClock *clock)
{
    return clock->name;
}

const char *tcs_model_clock_unit(const TcsModelClock *clock)
{
    switch (clock->kind) {
    case TCS_CLOCK_TIME:
        return "ns";
    case TCS_CLOCK_COUNT:
        return "events";
    default:
        return "ticks";
    }
}

TcsModelClock *tcs_model_lookup(const TcsModel *model, const char *name)
{
    for (guint i = 0; i < model->clocks->len; i++) {
        TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        if (g_str_equal(clock->name, name)) {
            return clock;
        }
    }
    return NULL;
}

TcsModelClock *tcs_model_add(TcsModel *model, char *name, TcsClockKind kind)
{
    TcsModelClock *clock = g_new0(TcsModelClock, 1);

    clock->name = name;
    clock->kind = kind;
    g_ptr_array_add(model->clocks, clock);
    return clock;
}

/* Whether `clock` may be meant: its side left out, or its CPU, or both. */
static gboolean may_mean(const char *name, const char *clock)
{
    const char *rest = strchr(name, ':') ? clock : strchr(clock, ':') + 1;
    const gsize n = strlen(name);

    return strncmp(rest, name, n) == 0 && (rest[n] == 0 || rest[n] == '@');
}

/* " (did you mean ...?)", the first of each side; "" where nothing is like it.
 */
static char *suggest(const TcsModel *model, const char *name)
{
    const char *const sides[] = { "guest:", "host:" };
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint s = 0; s < G_N_ELEMENTS(sides) && *name; s++) {
        for (guint i = 0; i < model->clocks->len; i++) {
            const TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

            if (g_str_has_prefix(clock->name, sides[s]) &&
                may_mean(name, clock->name)) {
                g_string_append_printf(text, "%s%s",
                                       text->len ? " or " : " (did you mean ",
                                       clock->name);
                break;
            }
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void set_unknown_clock(const TcsModel *model, const char *name,
                              GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    g_autofree char *meant = suggest(model, name);

    for (guint i = 0; i < model->clocks->len; i++) {
        const TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        g_string_append_printf(known, "%s%s", i ? ", " : "", clock->name);
    }
    g_set_error(error, TCS_ERROR,
                tcs_clock_name_is_of_logs(name) ? TCS_ERROR_REFUSED
                                                : TCS_ERROR_USAGE,
                "the log has no clock '%s'%s%s; it has %s", name, meant,
                *meant ? "?)" : "", known->str);
}

const TcsModelClock *tcs_model_find(TcsModel *model, const char *name,
                                    GError **error)
{
    const TcsModelClock *clock = tcs_model_lookup(model, name);

    if (clock) {
        return clock;
    }
    for (guint i = 0; i < model->clocks->len; i++) {
        clock = g_ptr_array_index(model->clocks, i);
        if ((clock->kind == TCS_CLOCK_GUEST_COUNTER ||
             clock->kind == TCS_CLOCK_GUEST_LINES) &&
            g_str_has_prefix(clock->name, name) &&
            clock->name[strlen(name)] == '@') {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the counters of the guest's CPUs are not known to be "
                        "the same; say which one is meant, for example %s",
                        clock->name);
            return NULL;
        }
    }
    set_unknown_clock(model, name, error);
    return NULL;
}

gboolean tcs_model_has_per_cpu(const TcsModel *model, const char *name)
{
    for (guint i = 0; i < model->clocks->len; i++) {
        const TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        if (g_str_has_prefix(clock->name, name) &&
            clock->name[strlen(name)] == '@') {
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean set_gap(GError **error, const char *name)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "unknown: %s was stepped, or its mapping changed or was not "
                "known, around that time",
                name);
    return FALSE;
}

static gboolean set_unknown(GError **error, const char *name, int ret)
{
    if (ret != -ENOTUNIQ) {
        return set_gap(error, name);
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "unknown: %s was set back or began anew, and showed this value "
                "more than once",
                name);
    return FALSE;
}

/* When a clock showed a value. `cursor` is of its timeline, or NULL. */
static gboolean clock_when(const TcsModelClock *clock,
                           struct tcs_timeline_cursor *cursor, guint64 value,
                           struct tcs_host_span *ret_when, GError **error)
{
    const struct tcs_guest_ticks guest = { value };
    struct tcs_ns_span span;
    int ret = 0;

    if ((clock->kind == TCS_CLOCK_TIME || clock->kind == TCS_CLOCK_COUNT) &&
        value > INT64_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "%" G_GUINT64_FORMAT " is beyond the year 2262", value);
        return FALSE;
    }
    switch (clock->kind) {
    case TCS_CLOCK_HOST_COUNTER:
        ret_when->lo.ticks = ret_when->hi.ticks = value;
        break;
    case TCS_CLOCK_GUEST_COUNTER:
        ret = tcs_counter_epochs_when(&clock->epochs, guest, ret_when);
        break;
    case TCS_CLOCK_GUEST_LINES:
        ret = tcs_counter_lines_when(clock->lines, guest, ret_when);
        break;
    case TCS_CLOCK_COUNT:
        ret = tcs_staircase_when(&clock->staircase, (int64_t)value, ret_when);
        break;
    case TCS_CLOCK_TIME:
        /* A clock that shows it has reached it, and not its next step. */
        span = tcs_clock_value((gint64)value, (uint32_t)clock->resolution_ns);
        ret = cursor ? tcs_timeline_cursor_when(cursor, span, ret_when)
                     : tcs_timeline_when(&clock->timeline, span, ret_when);
        break;
    }
    return ret == 0 || set_unknown(error, clock->name, ret);
}

/* What a guest CPU's counter showed. */
static gboolean counter_at(const TcsModelClock *clock, struct tcs_host_span at,
                           guint64 *ret_lo, guint64 *ret_hi, GError **error)
{
    struct tcs_guest_span guest;
    int ret =
        clock->kind == TCS_CLOCK_GUEST_LINES
            ? tcs_counter_lines_at(clock->lines, at, &guest)
            : tcs_counter_epochs_at(&clock->epochs, at, &guest.lo, &guest.hi);

    if (ret < 0) {
        return set_gap(error, clock->name);
    }
    *ret_lo = guest.lo.ticks;
    *ret_hi = guest.hi.ticks;
    return TRUE;
}

static gboolean count_at(const TcsModelClock *clock, struct tcs_host_span at,
                         guint64 *ret_lo, guint64 *ret_hi, GError **error)
{
    int64_t lo, hi;

    if (tcs_staircase_at(&clock->staircase, at, &lo, &hi) < 0) {
        return set_gap(error, clock->name);
    }
    *ret_lo = (guint64)lo;
    *ret_hi = (guint64)hi;
    return TRUE;
}

static gboolean time_at(const TcsModelClock *clock,
                        struct tcs_timeline_cursor *cursor,
                        struct tcs_host_span at, guint64 *ret_lo,
                        guint64 *ret_hi, GError **error)
{
    struct tcs_ns_span span;

    if ((cursor ? tcs_timeline_cursor_at(cursor, at, &span)
                : tcs_timeline_at(&clock->timeline, at, &span)) < 0) {
        return set_gap(error, clock->name);
    }
    /* What it had reached; it showed up to a step less. */
    span = tcs_ns_span_subtract(
        span, (struct tcs_ns_span){ 0, clock->resolution_ns });
    if (!tcs_ns_span_is_bounded(span)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "unknown: too far from what was recorded of %s",
                    clock->name);
        return FALSE;
    }
    if (span.hi < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "unknown: %s began later than that", clock->name);
        return FALSE;
    }
    *ret_lo = (guint64)MAX(span.lo, 0);
    *ret_hi = (guint64)span.hi;
    return TRUE;
}

struct TcsModelCursor {
    const TcsModelClock *from;
    const TcsModelClock *to;
    struct tcs_timeline_cursor when; /* of `from` */
    struct tcs_timeline_cursor at;   /* of `to` */
};

/* From when `from` showed `value` to what `to` showed then. */
static gboolean convert_at(const TcsModelClock *from, const TcsModelClock *to,
                           TcsModelCursor *cursor, guint64 value,
                           struct tcs_host_span at, guint64 *ret_lo,
                           guint64 *ret_hi, GError **error)
{
    if (from == to) {
        *ret_lo = *ret_hi = value;
        return TRUE;
    }
    switch (to->kind) {
    case TCS_CLOCK_HOST_COUNTER:
        *ret_lo = at.lo.ticks;
        *ret_hi = at.hi.ticks;
        return TRUE;
    case TCS_CLOCK_GUEST_COUNTER:
    case TCS_CLOCK_GUEST_LINES:
        return counter_at(to, at, ret_lo, ret_hi, error);
    case TCS_CLOCK_COUNT:
        return count_at(to, at, ret_lo, ret_hi, error);
    case TCS_CLOCK_TIME:
        return time_at(to, cursor ? &cursor->at : NULL, at, ret_lo, ret_hi,
                       error);
    }
    g_assert_not_reached();
}

static gboolean convert(const TcsModelClock *from, const TcsModelClock *to,
                        TcsModelCursor *cursor, guint64 value, guint64 *ret_lo,
                        guint64 *ret_hi, GError **error)
{
    struct tcs_host_span at;

    return clock_when(from, cursor ? &cursor->when : NULL, value, &at, error) &&
           convert_at(from, to, cursor, value, at, ret_lo, ret_hi, error);
}

gboolean tcs_model_convert(const TcsModel *model, const TcsModelClock *from,
                           const TcsModelClock *to, guint64 value,
                           guint64 *ret_lo, guint64 *ret_hi, GError **error)
{
    return convert(from, to, NULL, value, ret_lo, ret_hi, error);
}

static guint64 centre(guint64 lo, guint64 hi)
{
    return lo + (hi - lo) / 2;
}

/* The moment in `when`, which is all in which `from` may have shown `value`. */
static struct tcs_host_ticks
likely_when(const TcsModelClock *from, guint64 value, struct tcs_host_span when)
{
    struct tcs_host_ticks likely = { centre(when.lo.ticks, when.hi.ticks) };

    if (from->kind == TCS_CLOCK_TIME) {
        /* It had reached it, and not its next step. */
        tcs_timeline_likely_when(&from->timeline,
                                 (gint64)value + from->resolution_ns / 2, when,
                                 &likely);
    }
    return likely;
}

/* FALSE where the middle is as good as any. */
static gboolean likely_at(const TcsModelClock *to, struct tcs_host_ticks at,
                          guint64 *ret_value)
{
    const struct tcs_host_span moment = { at, at };
    guint64 lo, hi;
    gint64 ns;

    switch (to->kind) {
    case TCS_CLOCK_TIME:
        if (tcs_timeline_likely_at(&to->timeline, at, &ns) < 0) {
            return FALSE;
        }
        *ret_value = (guint64)MAX(ns - to->resolution_ns / 2, 0);
        return TRUE;
    case TCS_CLOCK_HOST_COUNTER:
        *ret_value = at.ticks;
        return TRUE;
    case TCS_CLOCK_GUEST_COUNTER:
    case TCS_CLOCK_GUEST_LINES:
        if (!counter_at(to, moment, &lo, &hi, NULL)) {
            return FALSE;
        }
        *ret_value = centre(lo, hi);
        return TRUE;
    case TCS_CLOCK_COUNT:
        return FALSE;
    }
    g_assert_not_reached();
}

gboolean tcs_model_convert_likely(const TcsModel *model,
                                  const TcsModelClock *from,
                                  const TcsModelClock *to, guint64 value,
                                  guint64 *ret_lo, guint64 *ret_hi,
                                  guint64 *ret_likely, GError **error)
{
    struct tcs_host_span when;
    guint64 likely;

    if (!clock_when(from, NULL, value, &when, error) ||
        !convert_at(from, to, NULL, value, when, ret_lo, ret_hi, error)) {
        return FALSE;
    }
    *ret_likely = centre(*ret_lo, *ret_hi);
    /* Modulo 2^64, as a counter may pass through zero in between. */
    if (from != to && likely_at(to, likely_when(from, value, when), &likely)) {
        *ret_likely = likely - *ret_lo <= *ret_hi - *ret_lo ? likely
                      : likely - *ret_hi < *ret_lo - likely ? *ret_hi
                                                            : *ret_lo;
    }
    return TRUE;
}

TcsModelCursor *tcs_model_cursor_new(const TcsModelClock *from,
                                     const TcsModelClock *to)
{
    TcsModelCursor *cursor = g_new0(TcsModelCursor, 1);

    cursor->from = from;
    cursor->to = to;
    tcs_timeline_cursor_init(&cursor->when, &from->timeline);
    tcs_timeline_cursor_init(&cursor->at, &to->timeline);
    return cursor;
}

void tcs_model_cursor_free(TcsModelCursor *cursor)
{
    g_free(cursor);
}

gboolean tcs_model_cursor_convert(TcsModelCursor *cursor, guint64 value,
                                  guint64 *ret_lo, guint64 *ret_hi,
                                  GError **error)
{
    return convert(cursor->from, cursor->to, cursor, value, ret_lo, ret_hi,
                   error);
}

gboolean tcs_model_clock_is_time(const TcsModelClock *clock)
{
    return clock->kind == TCS_CLOCK_TIME;
}
