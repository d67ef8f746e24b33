/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intervals that meet another one: against looking at each.
 */
#include <glib.h>

#include "clocksync/interval-index.h"
#include "seeded.h"

#define CASES 3000
#define N_MAX 40

static void test_signed(void)
{
    g_assert_cmpuint(tcs_interval_point(INT64_MIN), ==, 0);
    g_assert_cmpuint(tcs_interval_point(INT64_MAX), ==, UINT64_MAX);
    g_assert_cmpuint(tcs_interval_point(-1) + 1, ==, tcs_interval_point(0));
}

/* A few points near each other and near both ends, so that much coincides. */
static uint64_t random_point(struct seeded *random)
{
    uint64_t small = seeded_range(random, 0, 12);

    return seeded_range(random, 0, 1) ? small : UINT64_MAX - small;
}

static void test_random(void)
{
    struct seeded random = seeded_start();

    for (; random.case_number < CASES; random.case_number++) {
        struct tcs_interval all[N_MAX];
        size_t n = seeded_range(&random, 0, N_MAX);
        struct tcs_interval_index index;

        for (size_t i = 0; i < n; i++) {
            uint64_t a = random_point(&random), b = random_point(&random);

            all[i] = (struct tcs_interval){ MIN(a, b), MAX(a, b), i };
        }
        g_assert_cmpint(tcs_interval_index_init(&index, all, n), ==, 0);
        for (int k = 0; k < 20; k++) {
            uint64_t a = random_point(&random), b = random_point(&random);
            uint64_t lo = MIN(a, b), hi = MAX(a, b), last = 0;
            bool found[N_MAX] = { false };
            size_t cursor = 0, id;

            while (tcs_interval_index_next(&index, lo, hi, &cursor, &id)) {
                PROPERTY(&random, id < n && !found[id]);
                PROPERTY(&random, all[id].lo >= last);
                found[id] = true;
                last = all[id].lo;
            }
            for (size_t i = 0; i < n; i++) {
                PROPERTY(&random,
                         found[i] == (all[i].lo <= hi && all[i].hi >= lo));
            }
            PROPERTY(&random,
                     !tcs_interval_index_next(&index, lo, hi, &cursor, &id));
        }
        tcs_interval_index_clear(&index);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/interval-index/signed", test_signed);
    g_test_add_func("/interval-index/random", test_random);
    return g_test_run();
}
