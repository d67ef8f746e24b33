/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See text.h: one finder for each style. A process may be called anything, so
 * what stands before a time is looked at as well: the first place that is
 * written as the tool writes it is taken.
 */
#include "text.h"

#include <string.h>

/* A first column of so many digits is a time since boot: 0.1 s of ns. */
#define NS_DIGITS 9

/* The thread group's id in brackets is no longer. */
#define GROUP_MAX 16

/* CPU numbers have no more. */
#define CPU_DIGITS_MAX 6

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t skip_blanks(const char *line, size_t size, size_t at)
{
    while (at < size && is_blank(line[at])) {
        at++;
    }
    return at;
}

static size_t skip_digits(const char *line, size_t size, size_t at)
{
    while (at < size && is_digit(line[at])) {
        at++;
    }
    return at;
}

/* One after a number that begins at `at`, or `at`. */
static size_t skip_number(const char *line, size_t size, size_t at)
{
    size_t end = skip_digits(line, size, at);

    if (end > at && end + 1 < size && line[end] == '.' &&
        is_digit(line[end + 1])) {
        end = skip_digits(line, size, end + 1);
    }
    return end;
}

static bool is_at(const char *line, size_t size, size_t at, char c)
{
    return at < size && line[at] == c;
}

/* "[123]" at `at`: the CPU, and one after the bracket. */
static bool read_cpu(const char *line, size_t size, size_t at, int64_t *ret_cpu,
                     size_t *ret_end)
{
    size_t end = skip_digits(line, size, at + 1);

    if (end == at + 1 || end - at - 1 > CPU_DIGITS_MAX ||
        !is_at(line, size, end, ']')) {
        return false;
    }
    *ret_cpu = 0;
    for (size_t i = at + 1; i < end; i++) {
        *ret_cpu = *ret_cpu * 10 + (line[i] - '0');
    }
    *ret_end = end + 1;
    return true;
}

/*
 * "123.456:" at `at` or, by flags such as "d..2." or "-0x0", a word or two
 * further.
 */
static bool read_time(const char *line, size_t size, size_t at,
                      struct tcs_text_time *ret_time)
{
    for (int words = 0; words < 3; words++) {
        size_t start = skip_blanks(line, size, at);
        size_t end = skip_number(line, size, start);

        if (end > start && is_at(line, size, end, ':')) {
            ret_time->start = start;
            ret_time->end = end;
            return true;
        }
        for (at = start; at < size && !is_blank(line[at]); at++) {
            if (line[at] == ':' || line[at] == '[') {
                return false;
            }
        }
    }
    return false;
}

/* One after the digits that end before `at`, blanks and "(123)" between. */
static bool has_number_before(const char *line, size_t at, size_t *ret_start)
{
    size_t end = at;

    while (end > 0 && is_blank(line[end - 1])) {
        end--;
    }
    if (end > 0 && end < at && line[end - 1] == ')') {
        size_t group = end;

        while (group > 0 && end - group < GROUP_MAX && line[group - 1] != '(') {
            group--;
        }
        end = group > 0 && line[group - 1] == '(' ? group - 1 : end;
        while (end > 0 && is_blank(line[end - 1])) {
            end--;
        }
    }
    *ret_start = end;
    while (*ret_start > 0 && is_digit(line[*ret_start - 1])) {
        (*ret_start)--;
    }
    return *ret_start < end && end < at;
}

/* What parts the thread's id from its name. */
static bool is_ftrace_part(char c)
{
    return c == '-';
}

static bool is_perf_part(char c)
{
    return is_blank(c) || c == '/';
}

/* The first "[CPU]" with a task's id before it and a time behind it. */
static bool find_by_cpu(const char *line, size_t size, bool (*is_part)(char),
                        struct tcs_text_time *ret_time)
{
    for (size_t at = 0; at < size; at++) {
        const char *bracket = memchr(line + at, '[', size - at);
        size_t task, end;

        if (!bracket) {
            return false;
        }
        at = (size_t)(bracket - line);
        if (read_cpu(line, size, at, &ret_time->cpu, &end) &&
            has_number_before(line, at, &task) && task > 0 &&
            is_part(line[task - 1]) && read_time(line, size, end, ret_time)) {
            return true;
        }
    }
    return false;
}

/* "  task-123   [001] d..2.  12.345678: event", trace-cmd's and the kernel's.
 */
static bool find_ftrace(const char *line, size_t size,
                        struct tcs_text_time *ret_time)
{
    return find_by_cpu(line, size, is_ftrace_part, ret_time);
}

/* The same without a CPU: a time with a point, after a word that is a number.
 */
static bool find_after_task(const char *line, size_t size,
                            struct tcs_text_time *ret_time)
{
    for (size_t at = 0; at < size; at++) {
        size_t start = at, end = skip_number(line, size, start), task;

        if (end > start && is_at(line, size, end, ':') && start > 0 &&
            is_blank(line[start - 1]) &&
            memchr(line + start, '.', end - start) &&
            has_number_before(line, start, &task) && task > 0 &&
            is_perf_part(line[task - 1])) {
            *ret_time = (struct tcs_text_time){ start, end, -1 };
            return true;
        }
        /* To the next word. */
        at = end > start ? end - 1 : at;
        while (at < size && !is_blank(line[at])) {
            at++;
        }
        at = skip_blanks(line, size, at) - 1;
    }
    return false;
}

/* "task 123/123 [001]  12.345678:  cycles: …"; a call chain has no time. */
static bool find_perf(const char *line, size_t size,
                      struct tcs_text_time *ret_time)
{
    return size > 0 && line[0] != '\t' && line[0] != '#' &&
           (find_by_cpu(line, size, is_perf_part, ret_time) ||
            find_after_task(line, size, ret_time));
}

/* One after what `dmesg -x` ("kern  :info  : ") or a console ("<6>") puts. */
static size_t skip_priority(const char *line, size_t size)
{
    size_t at = 0;

    if (is_at(line, size, 0, '<')) {
        at = skip_digits(line, size, 1);
        return is_at(line, size, at, '>') ? at + 1 : 0;
    }
    for (int words = 0; words < 2; words++) {
        while (at < size && ((line[at] >= 'a' && line[at] <= 'z') ||
                             (words == 0 && is_digit(line[at])))) {
            at++;
        }
        at = skip_blanks(line, size, at);
        if (at == 0 || !is_at(line, size, at, ':')) {
            return 0;
        }
        at++;
    }
    return skip_blanks(line, size, at);
}

/* "[   12.345678] text" */
static bool find_dmesg(const char *line, size_t size,
                       struct tcs_text_time *ret_time)
{
    size_t at = skip_priority(line, size), start, end;

    if (!is_at(line, size, at, '[')) {
        return false;
    }
    start = skip_blanks(line, size, at + 1);
    end = skip_number(line, size, start);
    if (end == start || !is_at(line, size, end, ']') ||
        !memchr(line + start, '.', end - start)) {
        return false;
    }
    *ret_time = (struct tcs_text_time){ start, end, -1 };
    return true;
}

/* "123456789 text": what printf("%llu …", nsecs) printed. */
static bool find_bpftrace(const char *line, size_t size,
                          struct tcs_text_time *ret_time)
{
    return tcs_text_find_column(line, size, 1, ret_time);
}

static bool detect_bpftrace(const char *line, size_t size,
                            struct tcs_text_time *ret_time)
{
    return find_bpftrace(line, size, ret_time) &&
           ret_time->end - ret_time->start >= NS_DIGITS &&
           !memchr(line + ret_time->start, '.',
                   ret_time->end - ret_time->start) &&
           (ret_time->start == 0 || line[ret_time->start - 1] != '[');
}

/* "12ab", "1.2.3", "12:34:56", "2026-01-02", "1,000": not just a number. */
static bool goes_on(const char *line, size_t size, size_t end)
{
    char lower = end < size ? (char)(line[end] | 0x20) : ' ';

    return (lower >= 'a' && lower <= 'z') || is_at(line, size, end, '.') ||
           is_at(line, size, end, '_') ||
           (end + 1 < size && line[end] != '\0' && strchr(":-/,", line[end]) &&
            is_digit(line[end + 1]));
}

bool tcs_text_find_column(const char *line, size_t size, unsigned int column,
                          struct tcs_text_time *ret_time)
{
    size_t at = skip_blanks(line, size, 0), end;

    for (unsigned int i = 1; i < column && at < size; i++) {
        while (at < size && !is_blank(line[at])) {
            at++;
        }
        at = skip_blanks(line, size, at);
    }
    if (at < size && (line[at] == '[' || line[at] == '(')) {
        at = skip_blanks(line, size, at + 1);
    }
    end = skip_number(line, size, at);
    if (end == at || goes_on(line, size, end)) {
        return false;
    }
    *ret_time = (struct tcs_text_time){ at, end, -1 };
    return true;
}

static const struct tcs_text_style ftrace = {
    .name = "ftrace",
    .looks_like = "task-123 [001] d..2. 12.345678: event",
    .find = find_ftrace,
    .detect = find_ftrace,
};

static const struct tcs_text_style perf = {
    .name = "perf",
    .looks_like = "task 123 [001] 12.345678: event",
    .find = find_perf,
    .detect = find_perf,
};

static const struct tcs_text_style dmesg = {
    .name = "dmesg",
    .looks_like = "[   12.345678] text",
    .find = find_dmesg,
    .detect = find_dmesg,
};

static const struct tcs_text_style bpftrace = {
    .name = "bpftrace",
    .looks_like = "12345678901 text",
    .find = find_bpftrace,
    .detect = detect_bpftrace,
};

const struct tcs_text_style *const tcs_text_styles[] = {
    &dmesg, &ftrace, &perf, &bpftrace, NULL,
};

const struct tcs_text_style *tcs_text_style_by_name(const char *name)
{
    for (size_t i = 0; tcs_text_styles[i]; i++) {
        if (strcmp(tcs_text_styles[i]->name, name) == 0) {
            return tcs_text_styles[i];
        }
    }
    return NULL;
}

const struct tcs_text_style *tcs_text_detect(const char *line, size_t size)
{
    struct tcs_text_time time;

    for (size_t i = 0; tcs_text_styles[i]; i++) {
        if (tcs_text_styles[i]->detect(line, size, &time)) {
            return tcs_text_styles[i];
        }
    }
    return NULL;
}
