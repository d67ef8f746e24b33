/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When failed samples are enough to give up. Time is the test's.
 */
#include "collector/failures.h"

#define MANY     5
#define LONG_US  (30 * (gint64)G_USEC_PER_SEC)
#define START_US (G_MAXINT64 / 2)

static void add(TcsFailures *failures, guint n, gint64 now_us)
{
    for (guint i = 0; i < n; i++) {
        tcs_failures_add(failures, now_us);
    }
}

/* Neither many in a moment nor few over hours are final. */
static void is_final(void)
{
    TcsFailures failures = { 0 };

    add(&failures, MANY - 1, START_US);
    g_assert_false(tcs_failures_are_final(&failures, START_US + 100 * LONG_US));
    add(&failures, 1000, START_US);
    g_assert_false(tcs_failures_are_final(&failures, START_US + LONG_US - 1));
    g_assert_true(tcs_failures_are_final(&failures, START_US + LONG_US));
}

static void is_one_row(void)
{
    TcsFailures failures = { 0 };

    add(&failures, MANY, START_US);
    tcs_failures_end(&failures, "web1", START_US + LONG_US);
    g_assert_false(tcs_failures_are_final(&failures, START_US + LONG_US));
    add(&failures, MANY, START_US + LONG_US);
    g_assert_false(
        tcs_failures_are_final(&failures, START_US + 2 * LONG_US - 1));
    g_assert_true(tcs_failures_are_final(&failures, START_US + 2 * LONG_US));
    g_assert_cmpuint(failures.all, ==, 2 * MANY);
}

static void tell(TcsFailures *failures, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(G_FILE_ERROR, 1, message);

    tcs_failures_tell(failures, error);
}

/* Another reason is news, though of the same kind; three are enough. */
static void is_told(void)
{
    static const struct {
        const char *message;
        guint told;
    } steps[] = { { "breaks off", 1 },     { "breaks off", 1 },
                  { "is not running", 2 }, { "is not running", 2 },
                  { "breaks off", 3 },     { "is not running", 3 } };
    TcsFailures failures = { 0 };

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        add(&failures, 1, START_US);
        tell(&failures, steps[i].message);
        g_assert_cmpuint(failures.told, ==, steps[i].told);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/failures/final", is_final);
    g_test_add_func("/failures/row", is_one_row);
    g_test_add_func("/failures/told", is_told);
    return g_test_run();
}
