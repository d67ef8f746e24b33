/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See counter-lines.h.
 */
#include "counter-lines.h"

#include <errno.h>

typedef struct {
    char boot_id[TCS_BOOT_ID_MAX + 1];
    struct tcs_counter_line line;
    struct tcs_host_span seen; /* from the first answer to the last */
    GArray *ties;              /* all, to make the line anew from */
    guint last_sample;         /* where the last sample's ties begin */
} Stretch;

struct TcsCounterLines {
    gint64 cpu;
    GArray *stretches; /* of Stretch */
};

static void clear_stretch(gpointer data)
{
    Stretch *stretch = data;

    tcs_counter_line_clear(&stretch->line);
    g_array_unref(stretch->ties);
}

TcsCounterLines *tcs_counter_lines_new(gint64 cpu)
{
    TcsCounterLines *lines = g_new0(TcsCounterLines, 1);

    lines->cpu = cpu;
    lines->stretches = g_array_new(FALSE, TRUE, sizeof(Stretch));
    g_array_set_clear_func(lines->stretches, clear_stretch);
    return lines;
}

void tcs_counter_lines_free(TcsCounterLines *lines)
{
    if (lines) {
        g_array_unref(lines->stretches);
        g_free(lines);
    }
}

static const Stretch *stretch_at(const TcsCounterLines *lines, guint i)
{
    return &g_array_index(lines->stretches, Stretch, i);
}

static gboolean add_tie(Stretch *stretch, const TcsTie *tie)
{
    if (!tcs_counter_line_add_tie(&stretch->line, tie, NULL)) {
        return FALSE;
    }
    if (stretch->ties->len == 0) {
        stretch->seen = tie->when;
    }
    stretch->seen.lo.ticks = MIN(stretch->seen.lo.ticks, tie->when.lo.ticks);
    stretch->seen.hi.ticks = MAX(stretch->seen.hi.ticks, tie->when.hi.ticks);
    g_array_append_vals(stretch->ties, tie, 1);
    return TRUE;
}

static Stretch *begin_stretch(TcsCounterLines *lines, const char *boot_id)
{
    Stretch stretch = {
        .ties = g_array_new(FALSE, FALSE, sizeof(TcsTie)),
    };

    g_strlcpy(stretch.boot_id, boot_id, sizeof(stretch.boot_id));
    tcs_counter_line_init(&stretch.line, TCS_RATE_SPAN_MONOTONE);
    g_array_append_val(lines->stretches, stretch);
    return &g_array_index(lines->stretches, Stretch, lines->stretches->len - 1);
}

/* The last stretch, made anew of its first n ties; gone where n is 0. */
static void cut_stretch(TcsCounterLines *lines, guint n)
{
    guint last = lines->stretches->len - 1;
    Stretch *stretch = &g_array_index(lines->stretches, Stretch, last);
    g_autoptr(GArray) ties = NULL;

    if (n == 0) {
        g_array_set_size(lines->stretches, last);
        return;
    }
    ties = stretch->ties;
    stretch->ties = g_array_new(FALSE, FALSE, sizeof(TcsTie));
    stretch->last_sample = n;
    tcs_counter_line_clear(&stretch->line);
    for (guint i = 0; i < n; i++) {
        add_tie(stretch, &g_array_index(ties, TcsTie, i));
    }
}

/* Adds a sample's ties to a stretch; FALSE where they contradict it. */
static gboolean add_sample(const TcsCounterLines *lines, Stretch *stretch,
                           const GArray *ties)
{
    stretch->last_sample = stretch->ties->len;
    for (guint i = 0; i < ties->len; i++) {
        const TcsTie *tie = &g_array_index(ties, TcsTie, i);

        if (tie->cpu == lines->cpu && !add_tie(stretch, tie)) {
            return FALSE;
        }
    }
    return TRUE;
}

void tcs_counter_lines_add(TcsCounterLines *lines, const GArray *ties,
                           const char *boot_id)
{
    Stretch *stretch = lines->stretches->len
                           ? &g_array_index(lines->stretches, Stretch,
                                            lines->stretches->len - 1)
                           : NULL;

    if (stretch && g_str_equal(stretch->boot_id, boot_id)) {
        guint before = stretch->last_sample;

        if (add_sample(lines, stretch, ties)) {
            return;
        }
        cut_stretch(lines, before);
    }
    /* One sample's ties have one line: evidence.c has seen to that. */
    add_sample(lines, begin_stretch(lines, boot_id), ties);
}

int tcs_counter_lines_at(const TcsCounterLines *lines, struct tcs_host_span at,
                         struct tcs_guest_span *ret_guest)
{
    for (guint i = 0; i < lines->stretches->len; i++) {
        const Stretch *stretch = stretch_at(lines, i);

        if ((i == 0 || at.lo.ticks >= stretch->seen.lo.ticks) &&
            (i + 1 == lines->stretches->len ||
             at.hi.ticks <= stretch->seen.hi.ticks)) {
            return tcs_counter_line_at(&stretch->line, at, ret_guest) == 0
                       ? 0
                       : -ENODATA;
        }
    }
    return -ENODATA;
}

static gboolean overlaps(struct tcs_host_span a, struct tcs_host_span b)
{
    return a.lo.ticks <= b.hi.ticks && b.lo.ticks <= a.hi.ticks;
}

int tcs_counter_lines_when(const TcsCounterLines *lines,
                           struct tcs_guest_ticks value,
                           struct tcs_host_span *ret_when)
{
    guint inside = 0, outside = 0;
    struct tcs_host_span when_outside = { { 0 }, { 0 } };

    for (guint i = 0; i < lines->stretches->len; i++) {
        const Stretch *stretch = stretch_at(lines, i);
        struct tcs_host_span when;

        if (tcs_counter_line_when(&stretch->line, value, value, &when) < 0) {
            continue;
        }
        if (overlaps(when, stretch->seen)) {
            *ret_when = when;
            inside++;
        } else if ((i == 0 && when.hi.ticks < stretch->seen.lo.ticks) ||
                   (i + 1 == lines->stretches->len &&
                    when.lo.ticks > stretch->seen.hi.ticks)) {
            when_outside = when;
            outside++;
        }
    }
    if (inside == 0 && outside == 1) {
        *ret_when = when_outside;
        return 0;
    }
    return inside == 1 ? 0 : inside + outside > 1 ? -ENOTUNIQ : -ENODATA;
}
