/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.dat: what readers make of a correction, held against wide arithmetic;
 * and files with damage anywhere, which are refused or extended, never worse.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clocksync/span.h"
#include "formats/trace-dat.h"
#include "seeded.h"

#define CASES   20000
#define DAMAGED 20000

typedef struct tcs_trace_dat_point Point;

/* The straight line through two points, without any rounding of readers. */
static void assert_near_line(Point a, Point b, uint64_t ts, uint64_t shown)
{
    tcs_i128 run = (tcs_i128)b.time - a.time;
    tcs_i128 exact = ((tcs_i128)ts - a.time) * ((tcs_i128)b.offset - a.offset);
    tcs_i128 got = (int64_t)(shown - ts - (uint64_t)a.offset);

    /* Half a unit is added and the quotient cut toward zero: up to 1.5 above.
     */
    g_assert_true(2 * got * run <= 2 * exact + 3 * run &&
                  2 * got * run >= 2 * exact - run - 2);
}

static void test_corrected(void)
{
    struct seeded random = seeded_start();

    for (int i = 0; i < CASES; i++) {
        Point points[5];
        struct tcs_trace_dat_shift shift = { points, 5 };
        uint64_t time = seeded_range(&random, 1, 1ull << 60);
        uint64_t ts, shown;
        size_t segment = 0;

        for (size_t k = 0; k < shift.n; k++) {
            points[k] = (Point){ time, seeded_signed(&random, -(1ll << 55),
                                                     1ll << 55) };
            if (k > 0 && seeded_range(&random, 0, 3)) {
                points[k].offset = points[k - 1].offset +
                                   seeded_signed(&random, -(1 << 20), 1 << 20);
            }
            time += seeded_range(&random, 1, 1ull << 40);
        }
        ts = seeded_range(&random, points[0].time, points[4].time);
        while (segment < 3 && ts >= points[segment + 1].time) {
            segment++;
        }
        if (tcs_trace_dat_corrected(shift, ts, &shown) == 0) {
            assert_near_line(points[segment], points[segment + 1], ts, shown);
        } else {
            /* It refuses only what does not fit. */
            tcs_i128 product =
                ((tcs_i128)ts - points[segment].time) *
                ((tcs_i128)points[segment + 1].offset - points[segment].offset);

            g_assert_true(product > INT64_MAX - (1ll << 41) ||
                          product < INT64_MIN + (1ll << 41));
        }
    }
}

static void test_ends(void)
{
    const Point points[] = { { 100, 10 }, { 200, 20 } };
    struct tcs_trace_dat_shift two = { points, 2 }, one = { points, 1 };
    uint64_t shown;

    g_assert_cmpint(tcs_trace_dat_corrected(one, 5000, &shown), ==, 0);
    g_assert_cmpuint(shown, ==, 5010);
    g_assert_cmpint(tcs_trace_dat_corrected(two, 0, &shown), ==, 0);
    /* 100 - 100 is 0, but the reader's quotient is cut toward zero. */
    g_assert_cmpuint(shown, ==, 1);
    g_assert_cmpint(tcs_trace_dat_corrected(two, 300, &shown), ==, 0);
    g_assert_cmpuint(shown, ==, 330);
    g_assert_cmpint(tcs_trace_dat_corrected(two, 1ull << 61, &shown), ==,
                    -ERANGE);
}

/* The smallest file there is: a header, and options with a BUFFER. */
static GByteArray *small_file(void)
{
    static const guint8 header[] =
        "\x17\x08\x44tracing7\0\0\x08\0\x10\0\0none\0";
    static const guint8 buffer[] =
        "\0\0\0\0\0\0\0\0\0mono\0\0\x10\0\0\x01\0\0\0"
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    static const guint8 section[16] = { [8] = 6 + 42 + 6 + 8 };
    static const guint8 option[6] = { 3, 0, 42, 0, 0, 0 };
    static const guint8 done[14] = { [2] = 8 };
    GByteArray *file = g_byte_array_new();
    guint8 link[8] = { 0 };

    g_byte_array_append(file, header, sizeof(header));
    link[0] = (guint8)(sizeof(header) + sizeof(link));
    g_byte_array_append(file, link, sizeof(link));
    g_byte_array_append(file, section, sizeof(section));
    g_byte_array_append(file, option, sizeof(option));
    g_byte_array_append(file, buffer, 42);
    g_byte_array_append(file, done, sizeof(done));
    return file;
}

static int file_of(const GByteArray *bytes)
{
    int fd = memfd_create("trace.dat", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
    return fd;
}

/* Reads, extends and reads again; whether the file was good. */
static gboolean extend(int fd)
{
    struct tcs_trace_dat_options options;
    struct tcs_trace_dat dat, again;
    const char *why = NULL;
    size_t n_cpus;

    if (tcs_trace_dat_read(&dat, fd, &why) < 0) {
        g_assert_nonnull(why);
        return FALSE;
    }
    n_cpus = dat.n_cpus;
    tcs_trace_dat_options_init(&options, &dat);
    tcs_trace_dat_add_trace_id(&options, 0x1122334455667788);
    g_assert_cmpint(tcs_trace_dat_append(&dat, &options, &why), ==, 0);
    tcs_trace_dat_options_clear(&options);
    tcs_trace_dat_clear(&dat);
    why = NULL;
    if (tcs_trace_dat_read(&again, fd, &why) < 0) {
        g_error("not readable after it was extended: %s", why);
    }
    g_assert_true(again.has_trace_id);
    g_assert_cmpuint(again.trace_id, ==, 0x1122334455667788);
    g_assert_cmpuint(again.n_cpus, ==, n_cpus);
    g_assert_cmpuint(again.end, ==, again.size);
    tcs_trace_dat_clear(&again);
    return TRUE;
}

static void test_small(void)
{
    g_autoptr(GByteArray) bytes = small_file();
    int fd = file_of(bytes);

    g_assert_true(extend(fd));
    /* Once more, behind what was added. */
    g_assert_true(extend(fd));
    close(fd);
}

static void test_cut(void)
{
    g_autoptr(GByteArray) bytes = small_file();

    while (bytes->len > 1) {
        int fd;

        g_byte_array_set_size(bytes, bytes->len - 1);
        fd = file_of(bytes);
        g_assert_false(extend(fd));
        close(fd);
    }
}

static void test_damaged(void)
{
    struct seeded random = seeded_start();
    g_autoptr(GByteArray) good = small_file();
    int extended = 0;

    for (int i = 0; i < DAMAGED; i++) {
        g_autoptr(GByteArray) bytes = small_file();
        int changes = (int)seeded_range(&random, 1, 3);
        int fd;

        while (changes-- > 0) {
            bytes->data[seeded_range(&random, 0, bytes->len - 1)] =
                (guint8)(seeded_range(&random, 0, 2)
                             ? seeded_range(&random, 0, 255)
                             : good->data[seeded_range(&random, 0,
                                                       good->len - 1)]);
        }
        fd = file_of(bytes);
        extended += extend(fd);
        close(fd);
    }
    /* Some damage does no harm, most does. */
    g_assert_cmpint(extended, >, DAMAGED / 100);
    g_assert_cmpint(extended, <, DAMAGED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace-dat/corrected", test_corrected);
    g_test_add_func("/trace-dat/ends", test_ends);
    g_test_add_func("/trace-dat/small", test_small);
    g_test_add_func("/trace-dat/cut", test_cut);
    g_test_add_func("/trace-dat/damaged", test_damaged);
    return g_test_run();
}
