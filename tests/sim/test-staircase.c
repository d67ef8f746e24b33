/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A staircase against simulated events whose moments are known.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/staircase.h"
#include "seeded.h"

#define CASES      2000
#define EVENTS_MAX 120
/* Within a tick time goes on, and several events may happen. */
#define PARTS 8

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static void assert_when(const struct tcs_staircase *staircase, int64_t count,
                        uint64_t lo, uint64_t hi)
{
    struct tcs_host_span when;

    g_assert_cmpint(tcs_staircase_when(staircase, count, &when), ==, 0);
    g_assert_cmpuint(when.lo.ticks, ==, lo);
    g_assert_cmpuint(when.hi.ticks, ==, hi);
}

static void assert_at(const struct tcs_staircase *staircase, uint64_t from,
                      uint64_t to, int64_t lo, int64_t hi)
{
    int64_t least, most;

    g_assert_cmpint(
        tcs_staircase_at(staircase, host_span(from, to), &least, &most), ==, 0);
    g_assert_cmpint(least, ==, lo);
    g_assert_cmpint(most, ==, hi);
}

static void test_examples(void)
{
    struct tcs_staircase staircase = { .n = 0 };
    struct tcs_host_span when;
    int64_t lo, hi;

    g_assert_cmpint(tcs_staircase_finish(&staircase), ==, 0);
    g_assert_cmpint(tcs_staircase_when(&staircase, 5, &when), ==, -ENODATA);
    g_assert_cmpint(tcs_staircase_at(&staircase, host_span(5, 5), &lo, &hi), ==,
                    -ENODATA);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(6, 5), 1), ==,
                    -EINVAL);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(5, 6), -1), ==,
                    -EINVAL);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(200, 210), 9), ==,
                    0);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(100, 110), 4), ==,
                    0);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(300, 310), 10), ==,
                    0);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(90, 105), 3), ==,
                    0);
    g_assert_cmpint(tcs_staircase_finish(&staircase), ==, 0);
    g_assert_cmpuint(staircase.dropped, ==, 1);
    assert_when(&staircase, 4, 100, 110);
    assert_when(&staircase, 5, 100, 210);
    assert_when(&staircase, 8, 100, 210);
    assert_when(&staircase, 9, 200, 210);
    assert_when(&staircase, 10, 300, 310);
    g_assert_cmpint(tcs_staircase_when(&staircase, 3, &when), ==, -ENODATA);
    g_assert_cmpint(tcs_staircase_when(&staircase, 11, &when), ==, -ENODATA);
    g_assert_cmpint(tcs_staircase_when(&staircase, -1, &when), ==, -ENODATA);
    assert_at(&staircase, 111, 199, 4, 8);
    assert_at(&staircase, 111, 200, 4, 9);
    assert_at(&staircase, 210, 210, 4, 9);
    assert_at(&staircase, 211, 211, 9, 9);
    g_assert_cmpint(tcs_staircase_at(&staircase, host_span(110, 111), &lo, &hi),
                    ==, -ENODATA);
    g_assert_cmpint(tcs_staircase_at(&staircase, host_span(299, 300), &lo, &hi),
                    ==, -ENODATA);
    /* Booted again. */
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(400, 410), 2), ==,
                    0);
    g_assert_cmpint(tcs_staircase_add(&staircase, host_span(500, 510), 7), ==,
                    0);
    g_assert_cmpint(tcs_staircase_finish(&staircase), ==, 0);
    assert_when(&staircase, 3, 400, 510);
    assert_when(&staircase, 8, 100, 210);
    g_assert_cmpint(tcs_staircase_when(&staircase, 5, &when), ==, -ENOTUNIQ);
    g_assert_cmpint(tcs_staircase_at(&staircase, host_span(350, 350), &lo, &hi),
                    ==, -ENODATA);
    assert_at(&staircase, 450, 450, 2, 6);
    tcs_staircase_clear(&staircase);
}

static void test_random(void)
{
    struct seeded random = seeded_start();
    unsigned int answers = 0;

    for (; random.case_number < CASES; random.case_number++) {
        uint64_t parts[EVENTS_MAX];
        size_t n = seeded_range(&random, 2, EVENTS_MAX);
        unsigned int gap_bits = (unsigned int)seeded_range(&random, 1, 12);
        int64_t first = seeded_signed(&random, 0, 1LL << 60);
        struct tcs_staircase staircase = { .n = 0 };
        int64_t read_first = INT64_MAX, read_last = -1;
        uint64_t end;

        for (size_t i = 0; i < n; i++) {
            parts[i] = (i ? parts[i - 1] : 1000 * PARTS) + 1 +
                       seeded_bits(&random, gap_bits);
            if (seeded_range(&random, 0, 9) == 0) {
                uint64_t tick = parts[i] / PARTS;
                struct tcs_host_span when = {
                    { seeded_before(&random, tick, 9) },
                    { seeded_after(&random, tick, 9) },
                };

                g_assert_cmpint(
                    tcs_staircase_add(&staircase, when, first + (int64_t)i), ==,
                    0);
            }
        }
        end = parts[n - 1];
        g_assert_cmpint(tcs_staircase_finish(&staircase), ==, 0);
        for (size_t i = 0; i < staircase.n; i++) {
            read_first = MIN(read_first, staircase.readings[i].value.lo);
            read_last = MAX(read_last, staircase.readings[i].value.lo);
        }
        for (size_t i = 0; i < n; i++) {
            int64_t count = first + (int64_t)i;
            struct tcs_host_span when;
            int ret = tcs_staircase_when(&staircase, count, &when);

            PROPERTY(&random,
                     (ret == 0) == (count >= read_first && count <= read_last));
            if (ret == 0) {
                PROPERTY(&random, when.lo.ticks <= parts[i] / PARTS &&
                                      when.hi.ticks >= parts[i] / PARTS);
                answers++;
            }
        }
        for (int k = 0; k < 50; k++) {
            uint64_t part = seeded_range(&random, 1000 * PARTS, end);
            uint64_t tick = part / PARTS;
            int64_t lo, hi, given = first - 1;

            for (size_t i = 0; i < n; i++) {
                given += parts[i] <= part;
            }
            if (tcs_staircase_at(&staircase, host_span(tick, tick), &lo, &hi) ==
                0) {
                PROPERTY(&random, lo <= given && given <= hi);
                PROPERTY(&random, lo >= read_first && hi < read_last);
                answers++;
            }
        }
        tcs_staircase_clear(&staircase);
    }
    g_assert_cmpuint(answers, >, 20 * CASES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/staircase/examples", test_examples);
    g_test_add_func("/sim/staircase/random", test_random);
    return g_test_run();
}
