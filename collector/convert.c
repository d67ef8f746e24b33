/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See convert.h.
 */
#include "convert.h"

#include <errno.h>
#include <string.h>

#include "error.h"

void tcs_convert_clear(TcsConvert *convert)
{
    g_clear_pointer(&convert->find.regex, g_regex_unref);
    g_clear_pointer(&convert->count.first_unknown_reason, g_free);
}

gboolean tcs_convert_find_regex(TcsConvertFind *find, const char *expression,
                                GError **error)
{
    g_autoptr(GError) local = NULL;
    gint groups;

    find->regex =
        g_regex_new(expression, G_REGEX_RAW | G_REGEX_OPTIMIZE, 0, &local);
    if (!find->regex) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "--regex: %s",
                    local->message);
        return FALSE;
    }
    groups = g_regex_get_capture_count(find->regex);
    find->cpu_group = g_regex_get_string_number(find->regex, "cpu");
    if (find->cpu_group < 0) {
        find->cpu_group = 0;
    }
    if (groups != (find->cpu_group ? 2 : 1)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--regex '%s' has %d groups: it takes one, (...), around "
                    "the time; (?:...) is no group. A second one may be "
                    "(?<cpu>...)",
                    expression, groups);
        return FALSE;
    }
    find->time_group = find->cpu_group == 1 ? 2 : 1;
    return TRUE;
}

static gboolean find_by_regex(const TcsConvertFind *find, const char *line,
                              gsize size, struct tcs_text_time *ret,
                              GError **error)
{
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GError) local = NULL;
    gint start, end;

    /* Before the CR of an end of line, so that "$" is there. */
    size -= size > 0 && line[size - 1] == '\r';
    g_regex_match_full(find->regex, line, (gssize)size, 0, 0, &match, &local);
    if (local) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--regex: %s; write it simpler", local->message);
        return FALSE;
    }
    if (!g_match_info_matches(match) ||
        !g_match_info_fetch_pos(match, find->time_group, &start, &end) ||
        start < 0) {
        return FALSE;
    }
    *ret = (struct tcs_text_time){ (size_t)start, (size_t)end, -1 };
    if (find->cpu_group &&
        g_match_info_fetch_pos(match, find->cpu_group, &start, &end) &&
        start >= 0) {
        struct tcs_text_number cpu;

        if (tcs_text_number_read(line + start, (size_t)(end - start), &cpu) ==
                0 &&
            cpu.decimals == 0) {
            ret->cpu = (int64_t)MIN(cpu.digits, G_MAXINT32);
        }
    }
    return TRUE;
}

static gboolean find_time(TcsConvert *convert, const char *line, gsize size,
                          struct tcs_text_time *ret, GError **error)
{
    TcsConvertFind *find = &convert->find;

    if (find->regex) {
        return find_by_regex(find, line, size, ret, error);
    }
    if (find->field > 0) {
        return tcs_text_find_column(line, size, find->field, ret);
    }
    if (!find->style) {
        find->style = tcs_text_detect(line, size);
        /* A counter's ticks are no style's choice of unit. */
        convert->units.writes_seconds =
            find->style && strcmp(find->style->name, "bpftrace") != 0;
    }
    return find->style && find->style->find(line, size, ret);
}

/*
 * Keeps the number's right end where it was: blanks before it give way, down to
 * one, or to none after a bracket; or there come more of them.
 */
static void align(const char *line, const struct tcs_text_time *time,
                  TcsReplacement *ret)
{
    gsize old = time->end - time->start;
    gsize blanks = 0;

    ret->start = time->start;
    ret->end = time->end;
    ret->spaces = 0;
    while (blanks < time->start && line[time->start - 1 - blanks] == ' ') {
        blanks++;
    }
    if (blanks < time->start && line[time->start - 1 - blanks] == '[') {
        ret->spaces = old > ret->size ? old - ret->size : 0;
    } else if (blanks > 0) {
        ret->spaces = old > ret->size ? old - ret->size : 0;
        blanks--;
    }
    ret->start -= ret->size > old ? MIN(blanks, ret->size - old) : 0;
}

static gboolean set_unknown(TcsConvert *convert, const char *line,
                            const struct tcs_text_time *time,
                            TcsReplacement *ret, const char *reason)
{
    TcsConvertCount *count = &convert->count;

    if (count->unknown++ == 0) {
        count->first_unknown_line =
            count->converted + count->passed + count->unknown;
        count->first_unknown_reason = g_strdup(reason);
    }
    ret->text[0] = '?';
    ret->size = 1;
    align(line, time, ret);
    return TRUE;
}

static gboolean convert_value(TcsConvert *convert, gint64 cpu, guint64 value,
                              guint64 *ret_lo, guint64 *ret_hi, char **ret_why)
{
    gboolean is_first = convert->count.unknown == 0;
    g_autoptr(GError) error = NULL;
    const char *reason;
    TcsModelCursor *cursor =
        tcs_convert_clocks_find(convert->clocks, cpu, &reason);

    if (cursor && tcs_model_cursor_convert(cursor, value, ret_lo, ret_hi,
                                           is_first ? &error : NULL)) {
        return TRUE;
    }
    *ret_why = is_first ? g_strdup(error ? error->message : reason) : NULL;
    return FALSE;
}

gboolean tcs_convert_line(TcsConvert *convert, const char *line, gsize size,
                          TcsReplacement *ret, GError **error)
{
    TcsConvertCount *count = &convert->count;
    struct tcs_text_number number;
    struct tcs_text_time time;
    g_autofree char *why = NULL;
    guint64 value, lo, hi, step;
    int status;

    if (!find_time(convert, line, size, &time, error) ||
        (status = tcs_text_number_read(line + time.start, time.end - time.start,
                                       &number)) == -EINVAL) {
        count->passed++;
        return FALSE;
    }
    if (status < 0 || !tcs_unit_value(&convert->units, number, &value)) {
        return set_unknown(convert, line, &time, ret,
                           convert->units.from_is_time
                               ? "the number is no time in whole nanoseconds, "
                                 "or too large"
                               : "the clock counts in whole numbers, and this "
                                 "is none, or too large: seconds? Then name "
                                 "the clock that they are of");
    }
    if (!convert_value(convert, time.cpu, value, &lo, &hi, &why)) {
        return set_unknown(convert, line, &time, ret, why);
    }
    number =
        tcs_unit_number(&convert->units, number, lo + (hi - lo) / 2, &step);
    ret->size = tcs_text_number_write(number, ret->text);
    align(line, &time, ret);
    count->converted++;
    count->bound = MAX(count->bound, (hi - lo) / 2 + (hi - lo) % 2);
    count->step_ns = MAX(count->step_ns, step);
    return TRUE;
}
