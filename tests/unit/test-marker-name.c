/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of private ftrace instances: whose they are, and that no one else's
 * name is ever taken for one of ours. And the resolution of `uptime`.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "clockread/marker-clock.h"
#include "clockread/marker-name.h"

static void test_round_trip(void)
{
    const struct tcs_marker_owner owners[] = { { 1, 0 },
                                               { 4194304, 123456 },
                                               { INT32_MAX, UINT64_MAX } };

    for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
        char name[TCS_MARKER_NAME_MAX];
        struct tcs_marker_owner owner;

        g_assert_cmpint(
            tcs_marker_name_format(&owners[i], "local", name, sizeof(name)), ==,
            0);
        g_assert_true(tcs_marker_name_parse(name, &owner));
        g_assert_cmpint(owner.pid, ==, owners[i].pid);
        g_assert_cmpuint(owner.start, ==, owners[i].start);
    }
}

static void test_format(void)
{
    const struct tcs_marker_owner owner = { 12, 345 };
    char name[TCS_MARKER_NAME_MAX], small[10];

    g_assert_cmpint(
        tcs_marker_name_format(&owner, "mono_raw", name, sizeof(name)), ==, 0);
    g_assert_cmpstr(name, ==, "trace-clock-sync.12.345.mono_raw");
    g_assert_cmpint(
        tcs_marker_name_format(&owner, "local", small, sizeof(small)), ==,
        -ENAMETOOLONG);
}

static void test_not_ours(void)
{
    const char *const names[] = {
        "",
        "foo",
        "trace-cmd.1.2.local",
        "trace-clock-sync",
        "trace-clock-sync.",
        "trace-clock-sync.12",
        "trace-clock-sync.12.",
        "trace-clock-sync.12.345",
        "trace-clock-sync.12.345.",
        "trace-clock-sync.0.345.local",
        "trace-clock-sync.-1.345.local",
        "trace-clock-sync.+1.345.local",
        "trace-clock-sync. 1.345.local",
        "trace-clock-sync.1x.345.local",
        "trace-clock-sync.1..local",
        "trace-clock-sync.2147483648.345.local",
        "trace-clock-sync.1.18446744073709551616.local",
        "xtrace-clock-sync.12.345.local",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct tcs_marker_owner owner;

        if (tcs_marker_name_parse(names[i], &owner)) {
            g_error("taken for ours: '%s'", names[i]);
        }
    }
}

static void test_start(void)
{
    /* proc(5): the start time is field 22. */
    static const char rest[] = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 "
                               "18 987654321 20 21 22\n";
    const char *const commands[] = { "cat", "a b", ") R 1 2 3", "((", "" };
    uint64_t start;

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *line =
            g_strdup_printf("77 (%s) %s", commands[i], rest);

        start = 0;
        g_assert_cmpint(tcs_marker_start_parse(line, &start), ==, 0);
        g_assert_cmpuint(start, ==, 987654321);
    }
    g_assert_cmpint(tcs_marker_start_parse("", &start), ==, -EINVAL);
    g_assert_cmpint(tcs_marker_start_parse("77 (cat)", &start), ==, -EINVAL);
    g_assert_cmpint(tcs_marker_start_parse("77 (cat) S 1 2 3", &start), ==,
                    -EINVAL);
}

static void test_table(void)
{
    size_t n = 0;

    for (; tcs_marker_clocks[n].name != NULL; n++) {
        g_assert_true(tcs_marker_clock_find(tcs_marker_clocks[n].name) ==
                      &tcs_marker_clocks[n]);
    }
    g_assert_cmpuint(n, <=, TCS_MARKER_CLOCKS_MAX);
    g_assert_cmpuint(n, >=, 5);
    g_assert_null(tcs_marker_clock_find("nonsense"));
}

static void test_uptime_resolution(void)
{
    g_assert_cmpuint(tcs_uptime_resolution(10000000, 4000000), ==, 14000000);
    g_assert_cmpuint(tcs_uptime_resolution(0, UINT32_MAX), ==, UINT32_MAX);
    g_assert_cmpuint(tcs_uptime_resolution(1, UINT32_MAX), ==, UINT32_MAX);
    g_assert_cmpuint(tcs_uptime_resolution(UINT64_MAX, 2), ==, UINT32_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/marker-name/round-trip", test_round_trip);
    g_test_add_func("/marker-name/format", test_format);
    g_test_add_func("/marker-name/not-ours", test_not_ours);
    g_test_add_func("/marker-name/start", test_start);
    g_test_add_func("/marker-name/table", test_table);
    g_test_add_func("/marker-name/uptime-resolution", test_uptime_resolution);
    return g_test_run();
}
