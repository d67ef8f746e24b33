/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the host's clocks as users write them: every known one comes back
 * as it was, and what is no name is refused with those there are.
 */
#include <glib.h>

#include "clockread/counter.h"
#include "collector/error.h"
#include "collector/host-clock-name.h"

static void test_known(void)
{
    static const struct {
        const char *text, *base;
        int cpu;
        TcsHostClockKind kind;
    } known[] = {
        { TCS_COUNTER_NAME, TCS_COUNTER_NAME, -1, TCS_HOST_CLOCK_COUNTER },
        { "mono", "mono", -1, TCS_HOST_CLOCK_POSIX },
        { "boot", "boot", -1, TCS_HOST_CLOCK_POSIX },
        { "realtime", "realtime", -1, TCS_HOST_CLOCK_POSIX },
        { "global", "global", -1, TCS_HOST_CLOCK_FTRACE },
        { "perf", "perf", -1, TCS_HOST_CLOCK_FTRACE },
        { "uptime", "uptime", -1, TCS_HOST_CLOCK_FTRACE },
        { "counter", "counter", -1, TCS_HOST_CLOCK_COUNT },
        { "local", "local", -1, TCS_HOST_CLOCK_FTRACE },
        { "local@0", "local", 0, TCS_HOST_CLOCK_FTRACE },
        { "local@8191", "local", 8191, TCS_HOST_CLOCK_FTRACE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        TcsHostClockName name;
        GError *error = NULL;
        g_autofree char *text = NULL;

        tcs_host_clock_name_parse(known[i].text, &name, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(name.base, ==, known[i].base);
        g_assert_cmpint(name.cpu, ==, known[i].cpu);
        g_assert_cmpint(name.kind, ==, known[i].kind);
        g_assert_cmpint(tcs_host_clock_name_is_per_cpu(&name), ==,
                        g_str_has_prefix(known[i].text, "local"));
        text = tcs_host_clock_name_format(name.base, name.cpu);
        g_assert_cmpstr(text, ==, known[i].text);
    }
}

static void test_unknown(void)
{
    static const char *const unknown[] = {
        "",         "moon",     "MONO",       "mono ",
        "mono@0",   "local@",   "local@-1",   "local@+1",
        "local@ 1", "local@1x", "local@8192", "local@18446744073709551616",
        "@",        "@1",       "local@1@2",  "guest:local",
        "ppc-tb",   "perf@0",
    };
    g_autofree char *longest = g_strnfill(100, 'x');
    TcsHostClockName name = { .cpu = 77 };
    GError *error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++) {
        g_assert_false(tcs_host_clock_name_parse(unknown[i], &name, &error));
        g_assert_error(error, TCS_ERROR, TCS_ERROR_USAGE);
        g_assert_nonnull(g_strstr_len(error->message, -1, "uptime"));
        /* Each is listed once, though a marker could read mono too. */
        g_assert_null(g_strstr_len(
            g_strstr_len(error->message, -1, " mono,") + 1, -1, " mono,"));
        g_clear_error(&error);
    }
    g_assert_false(tcs_host_clock_name_parse(longest, &name, NULL));
    g_assert_cmpint(name.cpu, ==, 77);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-clock-name/known", test_known);
    g_test_add_func("/host-clock-name/unknown", test_unknown);
    return g_test_run();
}
