/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is written for perf, Perfetto and CTF, held against wide arithmetic and
 * bytes that were encoded by hand.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "clocksync/span.h"
#include "formats/ctf-clock.h"
#include "formats/perf-guest-data.h"
#include "formats/perfetto-manifest.h"
#include "formats/perfetto-snapshot.h"
#include "seeded.h"

#define CASES 20000

static void test_perf_arithmetic(void)
{
    struct seeded random = seeded_start();

    for (int i = 0; i < CASES; i++) {
        const uint64_t host = seeded_range(&random, 0, 1ull << 62);
        const unsigned int halvings = (unsigned int)seeded_range(&random, 0, 3);
        const struct tcs_perf_guest_data data = {
            seeded_range(&random, 0, UINT64_MAX), 1.0 / (1 << halvings)
        };
        /* Exact: the scale is a power of two. */
        const uint64_t guest = (host >> halvings) + data.offset;
        const uint64_t exact = host >> halvings << halvings;
        const uint64_t shown = tcs_perf_guest_data_apply(data, guest);

        g_assert_cmpuint(shown > exact ? shown - exact : exact - shown, <=,
                         tcs_perf_guest_data_rounding(data, exact));
    }
    /* -1 wraps around to the largest stamp, which no host ever shows. */
    g_assert_cmpuint(
        tcs_perf_guest_data_apply((struct tcs_perf_guest_data){ 1, 0.5 }, 0),
        ==, UINT64_MAX);
}

static void test_perf_text(void)
{
    const struct {
        struct tcs_perf_guest_data data;
        const char *file;
        int64_t pid;
        const char *text; /* NULL: refused */
    } rows[] = {
        { { (uint64_t)-5000, 1 }, "g.data", 7, "g.data,7,-5000,1" },
        { { 1234, 0.5 }, "a b", 1, "a b,1,1234,0.5" },
        { { 1ull << 63, 0.1 },
          "g",
          1,
          "g,1,-9223372036854775808,0.10000000000000001" },
        { { 0, 1 }, "a,b", 1, NULL },
        { { 0, 1 }, "", 1, NULL },
        { { 0, 1 }, "g", 0, NULL },
        { { 0, 0 }, "g", 1, NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char *text = NULL;
        int ret = tcs_perf_guest_data_format(rows[i].data, rows[i].file,
                                             rows[i].pid, &text);

        g_assert_cmpint(ret, ==, rows[i].text ? 0 : -EINVAL);
        g_assert_cmpstr(text, ==, rows[i].text);
        free(text);
    }
}

static void test_snapshot(void)
{
    static const struct tcs_perfetto_clock clocks[] = {
        { 6, 300 },
        { 0x80000001u, UINT64_MAX },
    };
    static const uint8_t expected[] = {
        0x0a, 30,         /* Trace.packet */
        0x32, 26,         /* clock_snapshot */
        0x0a, 5,          /* clocks */
        0x08, 6,          /* clock_id */
        0x10, 0xac, 0x02, /* timestamp */
        0x0a, 17,         /* clocks */
        0x08, 0x81, 0x80, 0x80, 0x80, 0x08, 0x10, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x50, 1, /* trusted_packet_sequence_id
                                                            */
    };
    uint8_t packet[TCS_PERFETTO_PACKET_MAX];
    size_t size =
        tcs_perfetto_snapshot(clocks, G_N_ELEMENTS(clocks), 1, packet);

    g_assert_cmpmem(packet, size, expected, sizeof(expected));
}

static void test_snapshot_largest(void)
{
    struct tcs_perfetto_clock clocks[TCS_PERFETTO_CLOCKS_MAX];
    uint8_t packet[TCS_PERFETTO_PACKET_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(clocks); i++) {
        clocks[i] = (struct tcs_perfetto_clock){ UINT32_MAX, UINT64_MAX };
    }
    g_assert_cmpuint(
        tcs_perfetto_snapshot(clocks, G_N_ELEMENTS(clocks), UINT32_MAX, packet),
        <=, sizeof(packet));
}

static void test_perfetto_clocks(void)
{
    /* FNV-1a's own test vector for "foobar", 32 bits. */
    g_assert_cmphex(tcs_perfetto_global_id("foobar"), ==, 0xbf9cf968u);
    g_assert_cmpuint(tcs_perfetto_builtin_id("boot"), ==, 6);
    g_assert_cmpstr(tcs_perfetto_builtin_name("mono"), ==, "MONOTONIC");
    g_assert_cmpuint(tcs_perfetto_builtin_id("local"), ==, 0);
    g_assert_null(tcs_perfetto_builtin_name("local"));
}

static void test_manifest(void)
{
    const struct tcs_perfetto_file host = { "h\"\\\n", "host", "BOOTTIME" };
    const struct tcs_perfetto_file guest = { "g", "VM", "MONOTONIC" };
    char *text = tcs_perfetto_manifest(&host, &guest, -5);

    g_assert_nonnull(strstr(text, "{\"path\": \"h\\\"\\\\\\u000a\""));
    g_assert_nonnull(strstr(text, "\"offset_ns\": -5}"));
    free(text);
}

static void test_ctf(void)
{
    struct seeded random = seeded_start();

    for (int i = 0; i < CASES; i++) {
        struct tcs_ctf_clock clock = {
            .freq =
                i % 4 ? seeded_range(&random, 1000, 5000000000ull) : 1000000000,
        };
        const uint64_t value = seeded_range(&random, 0, 1ull << 55);
        const int64_t ns = seeded_signed(&random, -(1ll << 61), 1ll << 61);
        const uint64_t later = seeded_range(&random, 0, clock.freq * 1000);
        tcs_i128 exact, error;
        int64_t shown;

        tcs_ctf_clock_set_offset(&clock, value, ns);
        g_assert_cmpuint(clock.offset, <, clock.freq);
        exact = (tcs_i128)ns * clock.freq + (tcs_i128)later * 1000000000;
        if (value / clock.freq > 1000000000) {
            continue; /* babeltrace2 has no room for it */
        }
        shown = tcs_ctf_clock_ns(&clock, value + later);
        error = (tcs_i128)shown * clock.freq - exact;
        error = error < 0 ? -error : error;
        /* set_offset() rounds to a tick, which is 10^9 here. */
        g_assert_true(error <= 1000000000 + (tcs_i128)tcs_ctf_clock_rounding(
                                                &clock, value + later) *
                                                clock.freq);
    }
}

static void test_params(void)
{
    char *text = tcs_ctf_babeltrace_params("a\"b\\c", -12);

    g_assert_cmpstr(text, ==,
                    "inputs=[\"a\\\"b\\\\c\"],clock-class-offset-ns=-12,"
                    "force-clock-class-origin-unix-epoch=yes");
    free(text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/perf/arithmetic", test_perf_arithmetic);
    g_test_add_func("/perf/text", test_perf_text);
    g_test_add_func("/perfetto/snapshot", test_snapshot);
    g_test_add_func("/perfetto/largest", test_snapshot_largest);
    g_test_add_func("/perfetto/clocks", test_perfetto_clocks);
    g_test_add_func("/perfetto/manifest", test_manifest);
    g_test_add_func("/ctf/clock", test_ctf);
    g_test_add_func("/ctf/params", test_params);
    return g_test_run();
}
