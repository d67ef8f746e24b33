/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's epochs: examples worked out by hand. What they say of vCPUs with
 * all their habits is in tests/sim.
 */
#include <errno.h>
#include <glib.h>

#include "clocksync/counter-epochs.h"

static struct tcs_host_span host_span(uint64_t lo, uint64_t hi)
{
    return (struct tcs_host_span){ { lo }, { hi } };
}

static int read_map(struct tcs_counter_epochs *epochs, uint64_t lo, uint64_t hi,
                    int64_t offset, uint64_t bound, bool changed)
{
    struct tcs_counter_map map;

    g_assert_cmpint(
        tcs_counter_map_init(&map, (uint64_t)1 << 32, 32, offset, bound), ==,
        0);
    return tcs_counter_epochs_read(epochs, host_span(lo, hi), &map, changed);
}

static void take(struct tcs_counter_epochs *epochs, uint64_t lo, uint64_t hi,
                 int64_t offset, uint64_t bound, bool changed)
{
    g_assert_cmpint(read_map(epochs, lo, hi, offset, bound, changed), ==, 0);
}

static void finish(struct tcs_counter_epochs *epochs)
{
    g_assert_cmpint(tcs_counter_epochs_finish(epochs), ==, 0);
}

static void assert_at(const struct tcs_counter_epochs *epochs, uint64_t from,
                      uint64_t to, uint64_t lo, uint64_t hi)
{
    struct tcs_guest_ticks first, last;

    g_assert_cmpint(
        tcs_counter_epochs_at(epochs, host_span(from, to), &first, &last), ==,
        0);
    g_assert_cmpuint(first.ticks, ==, lo);
    g_assert_cmpuint(last.ticks, ==, hi);
}

static void assert_unknown_at(const struct tcs_counter_epochs *epochs,
                              uint64_t from, uint64_t to)
{
    struct tcs_guest_ticks first, last;

    g_assert_cmpint(
        tcs_counter_epochs_at(epochs, host_span(from, to), &first, &last), ==,
        -ENODATA);
}

static void assert_when(const struct tcs_counter_epochs *epochs, uint64_t value,
                        uint64_t lo, uint64_t hi)
{
    struct tcs_host_span when;

    g_assert_cmpint(tcs_counter_epochs_when(
                        epochs, (struct tcs_guest_ticks){ value }, &when),
                    ==, 0);
    g_assert_cmpuint(when.lo.ticks, ==, lo);
    g_assert_cmpuint(when.hi.ticks, ==, hi);
}

static void assert_no_when(const struct tcs_counter_epochs *epochs,
                           uint64_t value, int ret)
{
    struct tcs_host_span when;

    g_assert_cmpint(tcs_counter_epochs_when(
                        epochs, (struct tcs_guest_ticks){ value }, &when),
                    ==, ret);
}

static void test_empty(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    finish(&epochs);
    assert_unknown_at(&epochs, 1, 2);
    assert_no_when(&epochs, 5, -ENODATA);
    tcs_counter_epochs_interrupt(&epochs);
    finish(&epochs);
    assert_unknown_at(&epochs, 1, 2);
    tcs_counter_epochs_clear(&epochs);
}

/* Known before the first read and after the last one. */
static void test_stable(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 1000, 1010, -1000, 0, false);
    finish(&epochs);
    assert_at(&epochs, 0, 5000, (uint64_t)-1000, 4000);
    take(&epochs, 2000, 2010, -1000, 0, false);
    g_assert_cmpint(read_map(&epochs, 1999, 2010, -1000, 0, false), ==,
                    -EINVAL);
    g_assert_cmpint(read_map(&epochs, 2010, 2009, -1000, 0, false), ==,
                    -EINVAL);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 1);
    assert_at(&epochs, 0, 5000, (uint64_t)-1000, 4000);
    assert_when(&epochs, 500, 1500, 1500);
    assert_when(&epochs, 4000, 5000, 5000);
    assert_when(&epochs, (uint64_t)-1000, 0, 0);
    tcs_counter_epochs_clear(&epochs);
}

/* Sure from the end of the first read to the beginning of the last one. */
static void test_change(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 1000, 1010, 0, 0, false);
    take(&epochs, 2000, 2010, 0, 0, false);
    take(&epochs, 3000, 3010, 5000, 0, false);
    take(&epochs, 4000, 4010, 5000, 0, false);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 2);
    assert_at(&epochs, 0, 2000, 0, 2000);
    assert_unknown_at(&epochs, 2000, 2001);
    assert_unknown_at(&epochs, 2001, 2001);
    assert_unknown_at(&epochs, 3009, 3009);
    assert_unknown_at(&epochs, 3009, 3010);
    assert_unknown_at(&epochs, 2000, 3010);
    assert_at(&epochs, 3010, 9000, 8010, 14000);
    assert_when(&epochs, 2000, 2000, 2000);
    assert_no_when(&epochs, 2001, -ENODATA);
    assert_no_when(&epochs, 8009, -ENODATA);
    assert_when(&epochs, 8010, 3010, 3010);
    /* A third one, seen but once: sure nowhere before it is the last. */
    take(&epochs, 5000, 5010, 0, 0, false);
    finish(&epochs);
    assert_unknown_at(&epochs, 5009, 5009);
    assert_at(&epochs, 5010, 5010, 5010, 5010);
    assert_at(&epochs, 3010, 4000, 8010, 9000);
    assert_unknown_at(&epochs, 4001, 4001);
    assert_when(&epochs, 8500, 3500, 3500);
    take(&epochs, 6000, 6010, 7, 0, false);
    finish(&epochs);
    assert_unknown_at(&epochs, 5010, 5010);
    tcs_counter_epochs_clear(&epochs);
}

/* The same values again: what was recorded is meant, unless all of it was. */
static void test_again(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 1000, 1000, 0, 0, false);
    take(&epochs, 2000, 2000, 0, 0, false);
    take(&epochs, 3000, 3000, -2500, 0, false);
    take(&epochs, 5000, 5000, -2500, 0, false);
    finish(&epochs);
    assert_no_when(&epochs, 1500, -ENOTUNIQ); /* at 1500, and at 4000 */
    assert_when(&epochs, 600, 3100, 3100);    /* and at 600, before it all */
    assert_when(&epochs, 400, 400, 400);      /* in the gap it may be as well */
    assert_when(&epochs, 2600, 5100, 5100);
    tcs_counter_epochs_clear(&epochs);
}

/* Changed and changed back, as somebody else reports. */
static void test_there_and_back(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 1000, 1010, 0, 0, false);
    take(&epochs, 2000, 2010, 0, 0, true);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 2);
    assert_at(&epochs, 1000, 1000, 1000, 1000);
    assert_unknown_at(&epochs, 1500, 1500);
    assert_at(&epochs, 2010, 2010, 2010, 2010);
    assert_no_when(&epochs, 1500, -ENODATA);
    tcs_counter_epochs_clear(&epochs);
}

/* Without a mapping at first, in between, and in the end. */
static void test_interrupted(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    tcs_counter_epochs_interrupt(&epochs);
    take(&epochs, 1000, 1010, 0, 0, false);
    take(&epochs, 2000, 2010, 0, 0, false);
    finish(&epochs);
    assert_unknown_at(&epochs, 999, 999);
    assert_unknown_at(&epochs, 1009, 1010);
    assert_at(&epochs, 1010, 9000, 1010, 9000);
    assert_no_when(&epochs, 999, -ENODATA);
    assert_when(&epochs, 9000, 9000, 9000);
    tcs_counter_epochs_interrupt(&epochs);
    finish(&epochs);
    assert_unknown_at(&epochs, 2001, 2001);
    assert_at(&epochs, 1010, 2000, 1010, 2000);
    assert_no_when(&epochs, 2001, -ENODATA);
    assert_when(&epochs, 2000, 2000, 2000);
    take(&epochs, 4000, 4010, 0, 0, false);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 2);
    assert_unknown_at(&epochs, 3000, 3000);
    assert_at(&epochs, 4010, 5000, 4010, 5000);
    tcs_counter_epochs_clear(&epochs);
}

/* Another one before the first, which is learnt later. */
static void test_begin_at_first(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    tcs_counter_epochs_begin_at_first(&epochs);
    take(&epochs, 1000, 1000, 0, 0, false);
    finish(&epochs);
    assert_at(&epochs, 1, 1, 1, 1);
    tcs_counter_epochs_begin_at_first(&epochs);
    take(&epochs, 2000, 2010, -1000, 0, true);
    finish(&epochs);
    assert_unknown_at(&epochs, 999, 999);
    assert_unknown_at(&epochs, 1000, 1001);
    assert_no_when(&epochs, 999, -ENODATA);
    assert_at(&epochs, 2010, 3000, 1010, 2000);
    assert_when(&epochs, 1500, 2500, 2500);
    tcs_counter_epochs_clear(&epochs);
}

/* All reads of one mapping bound it together. */
static void test_bounds(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 1000, 1000, 100, 20, false); /* 80 to 120 */
    take(&epochs, 2000, 2000, 130, 20, false); /* 110 to 150 */
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 1);
    assert_at(&epochs, 1500, 1500, 1610, 1620);
    assert_when(&epochs, 1620, 1500, 1510);
    take(&epochs, 3000, 3000, 90, 25, false); /* 65 to 115: 5 are left */
    finish(&epochs);
    assert_at(&epochs, 1500, 1500, 1609, 1615); /* an odd one: one more */
    /* 116 to 120 has some in common with the first two reads, not with all. */
    take(&epochs, 4000, 4000, 118, 2, false);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 2);
    assert_at(&epochs, 5000, 5000, 5116, 5120);
    /* Around the end of the numbers. */
    take(&epochs, 6000, 6000, INT64_MAX, 4, false);
    take(&epochs, 7000, 7000, INT64_MIN + 5, 4, false);
    finish(&epochs);
    g_assert_cmpuint(epochs.n, ==, 3);
    g_assert_cmpuint(epochs.epochs[2].offset_room, ==, 2);
    g_assert_cmpint(epochs.epochs[2].map.offset, ==, INT64_MIN + 2);
    tcs_counter_epochs_clear(&epochs);
}

/* The counter passes 2^64 in the middle of an epoch. */
static void test_wrap(void)
{
    struct tcs_counter_epochs epochs = { .n = 0 };

    take(&epochs, 0, 0, 77, 0, false);
    take(&epochs, 1000, 1000, -2000, 0, false);
    take(&epochs, 5000, 5000, -2000, 0, false);
    take(&epochs, 6000, 6000, 77, 0, false);
    finish(&epochs);
    assert_when(&epochs, (uint64_t)-1000, 1000, 1000);
    assert_when(&epochs, (uint64_t)-1, 1999, 1999);
    assert_when(&epochs, 0, 2000, 2000);
    assert_when(&epochs, 3000, 5000, 5000);
    assert_no_when(&epochs, 3001, -ENODATA);
    tcs_counter_epochs_clear(&epochs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counter-epochs/empty", test_empty);
    g_test_add_func("/counter-epochs/stable", test_stable);
    g_test_add_func("/counter-epochs/change", test_change);
    g_test_add_func("/counter-epochs/again", test_again);
    g_test_add_func("/counter-epochs/there-and-back", test_there_and_back);
    g_test_add_func("/counter-epochs/interrupted", test_interrupted);
    g_test_add_func("/counter-epochs/begin-at-first", test_begin_at_first);
    g_test_add_func("/counter-epochs/bounds", test_bounds);
    g_test_add_func("/counter-epochs/wrap", test_wrap);
    return g_test_run();
}
