/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where lines of text have their time: every style as its tool prints it, what
 * looks like one, and bytes of any kind.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "formats/text.h"
#include "seeded.h"

typedef struct {
    const char *style; /* that the line shows; NULL: none */
    const char *line;
    const char *time; /* NULL: none */
    gint64 cpu;
} Example;

static const Example examples[] = {
    /* trace-cmd report, 3.1 and 3.3, with -t, several files, raw ticks */
    { "ftrace", "          <idle>-0     [001]  1234.567890: sched_switch: x",
      "1234.567890", 1 },
    { "ftrace", " a.dat:  sleep-12  [120] -0x0  1.000000001: tick: 7",
      "1.000000001", 120 },
    { "ftrace", "   task-7     [000] 10500000000123: tick:  number=1",
      "10500000000123", 0 },
    { "ftrace", "   task-7     [000]1000210021000: tick:  0", "1000210021000",
      0 },
    /* the kernel's own, with a thread group, flags and odd names */
    { "ftrace", "  bash-1   (      1) [003] d..2.  12.345678: x: y",
      "12.345678", 3 },
    { "ftrace", "  bash-1   (-------) [003] .N.1  12.345678: x: y", "12.345678",
      3 },
    { "ftrace", "  my [x] task-1 [002] ....  5.000000: x: [9] 6.000000: z",
      "5.000000", 2 },
    { "ftrace", "  1-2-33 [2] 17: x", "17", 2 },
    { "ftrace", "  a-1 [000] d.. .. 1.5: x", "1.5", 0 },
    { NULL, "# tracer: nop", NULL, 0 },
    { NULL, "cpus=4", NULL, 0 },
    { NULL, "CPU:1 [LOST 12 EVENTS]", NULL, 0 },
    { NULL, "  a-1 [000] d.. no time: 1.5", NULL, 0 },
    { NULL, "  a-1 [000] a b c 1.5: x", NULL, 0 },
    { NULL, "  a-1 [1234567] 1.5: x", NULL, 0 },
    { NULL, "  a-1[000] 1.5: x", NULL, 0 },
    { NULL, "  a- [000] 1.5: x", NULL, 0 },
    { NULL, "  a-1 [000] 1.5", NULL, 0 },
    { NULL, "  a-1 [000", NULL, 0 },
    { NULL, "[", NULL, 0 },
    /* perf script: with and without CPU, thread ids, a call chain */
    { "perf", "swapper     0 [000]  1234.567890:     1 cycles: f",
      "1234.567890", 0 },
    { "perf", "my task  12/13 [007] 1.000000001: sched:x: y", "1.000000001",
      7 },
    { "perf", "perf  4242 99.123456:  250 cycles: 7f main (/bin/x)",
      "99.123456", -1 },
    { "perf", "Web Content 12/34 99.123456: cycles:", "99.123456", -1 },
    { NULL, "\tffffffff81 func+0x1 ([kernel.kallsyms])", NULL, 0 },
    { NULL, "perf 4242 cycles: 1.5", NULL, 0 },
    /* dmesg, dmesg -x, a console's, journalctl -o short-monotonic */
    { "dmesg", "[    0.000000] Linux version", "0.000000", -1 },
    { "dmesg", "[12345.678901] x [1.5] y", "12345.678901", -1 },
    { "dmesg", "kern  :info  : [    1.234567] x", "1.234567", -1 },
    { "dmesg", "<6>[    1.234567][    T0] x", "1.234567", -1 },
    { NULL, "[Mon Nov 23 05:00:00 2026] x", NULL, 0 },
    { NULL, "[    1234] x", NULL, 0 },
    { NULL, "<6 [    1.234567] x", NULL, 0 },
    { NULL, "x: [    1.234567] y", NULL, 0 },
    /* bpftrace: what printf() was told */
    { "bpftrace", "81536789012 bash open", "81536789012", -1 },
    { "bpftrace", "  81536789012: x", "81536789012", -1 },
    { NULL, "Attaching 1 probe...", NULL, 0 },
    { NULL, "12:34:56 x", NULL, 0 },
    { NULL, "2026-01-02 x", NULL, 0 },
    { NULL, "12345678 too short", NULL, 0 },
    { NULL, "81536789012abc", NULL, 0 },
    { NULL, "", NULL, 0 },
};

static void check_time(const Example *example, const struct tcs_text_time *time)
{
    g_assert_cmpuint(time->end - time->start, ==, strlen(example->time));
    g_assert_cmpint(memcmp(example->line + time->start, example->time,
                           strlen(example->time)),
                    ==, 0);
    g_assert_cmpint(time->cpu, ==, example->cpu);
}

static void test_styles(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(examples); i++) {
        const Example *example = &examples[i];
        gsize size = strlen(example->line);
        const struct tcs_text_style *style =
            tcs_text_detect(example->line, size);
        struct tcs_text_time time;

        g_test_message("%s", example->line);
        g_assert_cmpstr(style ? style->name : NULL, ==, example->style);
        if (style) {
            g_assert_true(tcs_text_style_by_name(style->name) == style);
            g_assert_true(style->find(example->line, size, &time));
            check_time(example, &time);
        }
    }
    g_assert_null(tcs_text_style_by_name("fortran"));
}

/* A style that is asked for takes less for it than one that is found. */
static void test_asked_for(void)
{
    const struct tcs_text_style *style = tcs_text_style_by_name("bpftrace");
    struct tcs_text_time time;

    g_assert_true(style->find("12 x", 4, &time));
    g_assert_cmpuint(time.end, ==, 2);
    g_assert_true(style->find("1.5 x", 5, &time));
    g_assert_cmpuint(time.end, ==, 3);
}

static void test_column(void)
{
    static const struct {
        const char *line;
        unsigned int column;
        const char *time;
    } lines[] = {
        { "a 12 b", 2, "12" },
        { "  a\t\t12.5;b", 2, "12.5" },
        { "a [ 12.5] b", 2, "12.5" },
        { "(12)", 1, "12" },
        { "12", 1, "12" },
        { "12.", 1, NULL },
        { "a 12", 3, NULL },
        { "a 12", 1, NULL },
        { "12x", 1, NULL },
        { "1.2.3", 1, NULL },
        { "12:34", 1, NULL },
        { "1,000", 1, NULL },
        { "12, 3", 1, "12" },
        { "-12", 1, NULL },
        { "1e9", 1, NULL },
        { "   ", 1, NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        struct tcs_text_time time;
        gboolean is_found = tcs_text_find_column(
            lines[i].line, strlen(lines[i].line), lines[i].column, &time);

        g_test_message("%s", lines[i].line);
        g_assert_cmpint(is_found, ==, lines[i].time != NULL);
        if (is_found) {
            g_assert_cmpmem(lines[i].line + time.start, time.end - time.start,
                            lines[i].time, strlen(lines[i].time));
        }
    }
}

static void assert_number(const char *text, int status, uint64_t digits,
                          unsigned int decimals)
{
    struct tcs_text_number number = { 7, 7 };

    g_test_message("%s", text);
    g_assert_cmpint(tcs_text_number_read(text, strlen(text), &number), ==,
                    status);
    if (status == 0) {
        g_assert_cmpuint(number.digits, ==, digits);
        g_assert_cmpuint(number.decimals, ==, decimals);
    }
}

static void test_number(void)
{
    assert_number("0", 0, 0, 0);
    assert_number("12.345678", 0, 12345678, 6);
    assert_number("00012.5", 0, 125, 1);
    assert_number("18446744073709551615", 0, UINT64_MAX, 0);
    assert_number("0000000000018446744073709551615", 0, UINT64_MAX, 0);
    assert_number("18446744073.709551615", 0, UINT64_MAX, 9);
    assert_number("18446744073709551616", -ERANGE, 0, 0);
    assert_number("99999999999999999999999", -ERANGE, 0, 0);
    assert_number("18446744073.709551616", -ERANGE, 0, 0);
    assert_number("1.0000000000", -ERANGE, 0, 0);
    for (gsize i = 0; i < 10; i++) {
        static const char *const none[] = { "",      ".",  "1.",  ".5", "1..2",
                                            "1.2.3", "-1", "1e9", " 1", "1 " };

        assert_number(none[i], -EINVAL, 0, 0);
    }
}

/* What is written is read again, as printf() would have written it. */
static void test_write(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < 100000; random.case_number++) {
        struct tcs_text_number number = {
            seeded_bits(&random, (unsigned)seeded_range(&random, 0, 64)),
            (unsigned int)seeded_range(&random, 0, TCS_TEXT_DECIMALS_MAX),
        };
        struct tcs_text_number again;
        char text[TCS_TEXT_NUMBER_MAX], expected[64];
        gsize size = tcs_text_number_write(number, text);
        guint64 one = 1;

        for (unsigned int i = 0; i < number.decimals; i++) {
            one *= 10;
        }
        if (number.decimals > 0) {
            g_snprintf(expected, sizeof(expected),
                       "%" G_GUINT64_FORMAT ".%0*" G_GUINT64_FORMAT,
                       number.digits / one, (int)number.decimals,
                       number.digits % one);
        } else {
            g_snprintf(expected, sizeof(expected), "%" G_GUINT64_FORMAT,
                       number.digits);
        }
        PROPERTY(&random,
                 size == strlen(expected) && memcmp(text, expected, size) == 0);
        PROPERTY(&random, tcs_text_number_read(text, size, &again) == 0);
        PROPERTY(&random, again.digits == number.digits &&
                              again.decimals == number.decimals);
    }
}

/*
 * Any bytes, made of what lines are made of: nothing is read beyond the line
 * (each has memory of its own size), and what is found is a number.
 */
static void test_hostile(void)
{
    static const char bytes[] = "[](){}<>0123456789..:-/ \t\0\xff\x80"
                                "ab#\r";
    struct seeded random = seeded_start();

    for (; random.case_number < 100000; random.case_number++) {
        gsize size = seeded_range(&random, 0, 40);
        g_autofree char *line = g_malloc(size + 1);
        char *exact = size ? g_malloc(size) : NULL;

        for (gsize i = 0; i < size; i++) {
            line[i] = bytes[seeded_range(&random, 0, sizeof(bytes) - 2)];
        }
        if (size) {
            memcpy(exact, line, size);
        }
        for (gsize i = 0; tcs_text_styles[i]; i++) {
            struct tcs_text_time time = { 0 };
            struct tcs_text_number number;

            if (size && tcs_text_styles[i]->find(exact, size, &time)) {
                PROPERTY(&random, time.start < time.end && time.end <= size);
                PROPERTY(&random, tcs_text_number_read(exact + time.start,
                                                       time.end - time.start,
                                                       &number) != -EINVAL);
            }
        }
        g_free(exact);
    }
}

/* A long line of brackets takes no longer than one of letters, nearly. */
static void test_long(void)
{
    static const char *const parts[] = { "[1] ", ") [1] ", "1-1 [1] a ",
                                         "[[[[", "((((",   "1 1 1 1 ",
                                         "1.1 " };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(GString) line = g_string_new(NULL);
        gint64 start = g_get_monotonic_time();

        while (line->len < 1 << 16) {
            g_string_append(line, parts[i]);
        }
        g_assert_null(tcs_text_detect(line->str, line->len));
        /* A square of its length would be seconds. */
        g_assert_cmpint(g_get_monotonic_time() - start, <, 1000000);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/styles", test_styles);
    g_test_add_func("/text/asked-for", test_asked_for);
    g_test_add_func("/text/column", test_column);
    g_test_add_func("/text/number", test_number);
    g_test_add_func("/text/write", test_write);
    g_test_add_func("/text/hostile", test_hostile);
    g_test_add_func("/text/long", test_long);
    return g_test_run();
}
