/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest agent's share of a CPU, with a clock of the test's own.
 */
#include <glib.h>

#include "guest-agent/budget.h"

#define SECOND INT64_C(1000000)

static void test_burst(void)
{
    struct tga_budget budget = { 0 };
    int64_t now = 1000 * SECOND;

    g_assert_cmpint(tga_budget_wait_us(&budget, now), ==, 0);
    tga_budget_spend(&budget, now, TGA_BUDGET_BURST_US);
    g_assert_cmpint(tga_budget_wait_us(&budget, now), ==, 0);
    tga_budget_spend(&budget, now, 100);
    g_assert_cmpint(tga_budget_wait_us(&budget, now), ==, 200);
    g_assert_cmpint(tga_budget_wait_us(&budget, now + 199), >, 0);
    g_assert_cmpint(tga_budget_wait_us(&budget, now + 200), ==, 0);
}

/* Whoever asks all the time gets half of the time, however it is cut. */
static void test_share(void)
{
    for (int64_t piece = 99; piece <= SECOND; piece = piece * 7 + 3) {
        struct tga_budget budget = { 0 };
        int64_t now = 5 * SECOND, begin = now, used = 0;

        while (now < begin + 100 * SECOND) {
            now += tga_budget_wait_us(&budget, now);
            now += piece;
            used += piece;
            tga_budget_spend(&budget, now, piece);
        }
        g_assert_cmpint(used, <=,
                        (now - begin) / 2 + TGA_BUDGET_BURST_US + 2 * piece);
        g_assert_cmpint(used, >=, (now - begin) / 2 - piece);
    }
}

static void test_long_request(void)
{
    struct tga_budget budget = { 0 };
    int64_t now = 7 * SECOND;

    tga_budget_spend(&budget, now, 600 * SECOND);
    g_assert_cmpint(tga_budget_wait_us(&budget, now), <=,
                    2 * TGA_BUDGET_BURST_US);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/budget/burst", test_burst);
    g_test_add_func("/budget/share", test_share);
    g_test_add_func("/budget/long-request", test_long_request);
    return g_test_run();
}
