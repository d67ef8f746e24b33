/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readings of this machine's own clocks: found by name, bracketed in order,
 * and never running backward. Then scripted clocks (the linker wraps
 * clock_gettime() and clock_getres()): the tightest bracket, and every error.
 */
#include <errno.h>
#include <glib.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "clockread/counter.h"
#include "clockread/posix-clock.h"

#define READINGS 500
#define NS_PER_S G_GINT64_CONSTANT(1000000000)

int __real_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);
int __real_clock_getres(clockid_t id, struct timespec *time);
int __wrap_clock_getres(clockid_t id, struct timespec *time);

static int64_t now_ns(void)
{
    struct timespec time;

    __real_clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* What the wrapped functions do; nothing while `is_active` is false. */
#define SCRIPT_CALLS 4

static struct {
    bool is_active;
    unsigned int calls;
    struct {
        int64_t delay_ns;
        struct timespec time;
        int error;           /* 0, or errno */
        uint64_t start, end; /* counters, for the test to look at */
    } call[SCRIPT_CALLS];
    struct timespec resolution;
    int resolution_error;
} script;

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    if (!script.is_active) {
        return __real_clock_gettime(id, time);
    }
    g_assert_cmpuint(script.calls, <, SCRIPT_CALLS);

    unsigned int i = script.calls++;
    int64_t start = now_ns();

    script.call[i].start = tcs_counter_before();
    while (now_ns() - start < script.call[i].delay_ns) {
        ;
    }
    script.call[i].end = tcs_counter_after();
    *time = script.call[i].time;
    errno = script.call[i].error;
    return script.call[i].error ? -1 : 0;
}

int __wrap_clock_getres(clockid_t id, struct timespec *time)
{
    if (!script.is_active) {
        return __real_clock_getres(id, time);
    }
    *time = script.resolution;
    errno = script.resolution_error;
    return script.resolution_error ? -1 : 0;
}

/* Reads a scripted clock, and leaves the script to be looked at. */
static int read_scripted(unsigned int samples, struct tcs_clock_sample *ret)
{
    script.is_active = true;
    script.calls = 0;
    int status =
        tcs_posix_clock_read(tcs_posix_clock_find("mono"), samples, ret);
    script.is_active = false;
    return status;
}

static void test_find(void)
{
    static const char *const names[] = { "mono", "mono_raw", "boot", "tai",
                                         "realtime" };
    size_t n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const struct tcs_posix_clock *clock = tcs_posix_clock_find(names[i]);

        g_assert_nonnull(clock);
        g_assert_cmpstr(clock->name, ==, names[i]);
    }
    while (tcs_posix_clocks[n].name) {
        n++;
    }
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(names));
    g_assert_cmpint(tcs_posix_clock_find("boot")->id, ==, CLOCK_BOOTTIME);
    g_assert_cmpint(tcs_posix_clock_find("tai")->id, ==, CLOCK_TAI);
    g_assert_null(tcs_posix_clock_find(""));
    g_assert_null(tcs_posix_clock_find("mon"));
    g_assert_null(tcs_posix_clock_find("monotonic"));
    g_assert_null(tcs_posix_clock_find("Mono"));
}

/* So that all counter reads are of one CPU. */
static void stay_here(void)
{
    cpu_set_t here;

    CPU_ZERO(&here);
    CPU_SET(sched_getcpu(), &here);
    g_assert_cmpint(sched_setaffinity(0, sizeof(here), &here), ==, 0);
}

static void test_read(gconstpointer name)
{
    const struct tcs_posix_clock *clock = tcs_posix_clock_find(name);
    /* The others may be set while the test runs. */
    bool is_monotone =
        strcmp(name, "tai") != 0 && strcmp(name, "realtime") != 0;
    struct tcs_clock_sample last = { 0 };
    cpu_set_t allowed;

    g_assert_nonnull(clock);
    g_assert_cmpint(sched_getaffinity(0, sizeof(allowed), &allowed), ==, 0);
    stay_here();
    for (unsigned int i = 0; i < READINGS; i++) {
        struct tcs_clock_sample sample = { 0 };
        uint64_t start = tcs_counter_before();

        g_assert_cmpint(tcs_posix_clock_read(clock, 1 + i % 8, &sample), ==, 0);
        uint64_t end = tcs_counter_after();

        g_assert_cmpuint(start, <=, sample.counter_before);
        g_assert_cmpuint(sample.counter_before, <=, sample.counter_after);
        g_assert_cmpuint(sample.counter_after, <=, end);
        g_assert_cmpuint(last.counter_after, <=, sample.counter_before);
        g_assert_cmpint(sample.value_ns, >=, 0);
        g_assert_cmpuint(sample.resolution_ns, >=, 1);
        if (is_monotone) {
            g_assert_cmpint(last.value_ns, <=, sample.value_ns);
        }
        last = sample;
    }
    g_assert_cmpint(sched_setaffinity(0, sizeof(allowed), &allowed), ==, 0);
}

/* The sample's value is one that the clock had between two plain reads. */
static void test_read_is_between(void)
{
    for (unsigned int i = 0; i < READINGS; i++) {
        int64_t before = now_ns();
        struct tcs_clock_sample sample;

        g_assert_cmpint(
            tcs_posix_clock_read(tcs_posix_clock_find("mono"), 3, &sample), ==,
            0);
        g_assert_cmpint(before, <=, sample.value_ns);
        g_assert_cmpint(now_ns(), >=, sample.value_ns);
    }
}

/* Value and bracket are of one call, and it is the quick one's. */
static void test_tightest_wins(void)
{
    enum { ROUNDS = 24, SLOW_NS = 500000 };
    unsigned int quick_won = 0;

    for (unsigned int round = 0; round < ROUNDS; round++) {
        unsigned int quick = round % SCRIPT_CALLS;
        struct tcs_clock_sample sample = { 0 };

        memset(&script, 0, sizeof(script));
        for (unsigned int i = 0; i < SCRIPT_CALLS; i++) {
            script.call[i].delay_ns = i == quick ? 0 : SLOW_NS * (i + 1);
            script.call[i].time.tv_nsec = i;
        }
        script.resolution.tv_nsec = 7;
        g_assert_cmpint(read_scripted(SCRIPT_CALLS, &sample), ==, 0);
        g_assert_cmpuint(script.calls, ==, SCRIPT_CALLS);
        g_assert_cmpuint(sample.resolution_ns, ==, 7);
        g_assert_cmpint(sample.value_ns, <, SCRIPT_CALLS);
        g_assert_cmpuint(sample.counter_before, <=,
                         script.call[sample.value_ns].start);
        g_assert_cmpuint(sample.counter_after, >=,
                         script.call[sample.value_ns].end);
        quick_won += sample.value_ns == quick;
    }
    /* A quick call may be preempted, but not every other time. */
    g_assert_cmpuint(quick_won, >, ROUNDS / 2);
}

static void test_scripted_errors(void)
{
    static const struct {
        struct timespec time, resolution;
        int error, resolution_error;
        int ret;
        int64_t value_ns;
        uint32_t resolution_ns;
    } rows[] = {
        { { 5, 6 }, { 0, 4000000 }, 0, 0, 0, 5000000006, 4000000 },
        { { 5, 6 }, { 0, 0 }, 0, 0, 0, 5000000006, 1 },
        { { 5, 6 }, { 1, 0 }, 0, 0, -ERANGE, 0, 0 },
        { { 5, 6 }, { 0, 1 }, 0, EINVAL, -EINVAL, 0, 0 },
        { { 5, 6 }, { 0, 1 }, EPERM, 0, -EPERM, 0, 0 },
        { { -1, 999999999 }, { 0, 1 }, 0, 0, -ERANGE, 0, 0 },
        { { 9223372036, 854775807 }, { 0, 1 }, 0, 0, 0, INT64_MAX, 1 },
        { { 9223372036, 854775808 }, { 0, 1 }, 0, 0, -ERANGE, 0, 0 },
        { { 9223372037, 0 }, { 0, 1 }, 0, 0, -ERANGE, 0, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        struct tcs_clock_sample sample = { 0 };

        memset(&script, 0, sizeof(script));
        script.call[0].time = rows[i].time;
        script.call[0].error = rows[i].error;
        script.resolution = rows[i].resolution;
        script.resolution_error = rows[i].resolution_error;
        g_assert_cmpint(read_scripted(1, &sample), ==, rows[i].ret);
        g_assert_cmpint(sample.value_ns, ==, rows[i].value_ns);
        g_assert_cmpuint(sample.resolution_ns, ==, rows[i].resolution_ns);
    }
}

static void test_read_fails(void)
{
    const struct tcs_posix_clock none = { "none", 9999 };
    struct tcs_clock_sample sample = { .value_ns = 7 };

    g_assert_cmpint(tcs_posix_clock_read(&none, 2, &sample), ==, -EINVAL);
    g_assert_cmpint(sample.value_ns, ==, 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/posix-clock/find", test_find);
    for (size_t i = 0; tcs_posix_clocks[i].name; i++) {
        const char *name = tcs_posix_clocks[i].name;
        g_autofree char *path = g_strdup_printf("/posix-clock/read/%s", name);

        g_test_add_data_func(path, name, test_read);
    }
    g_test_add_func("/posix-clock/read-is-between", test_read_is_between);
    g_test_add_func("/posix-clock/read-fails", test_read_fails);
    g_test_add_func("/posix-clock/tightest-wins", test_tightest_wins);
    g_test_add_func("/posix-clock/scripted-errors", test_scripted_errors);
    return g_test_run();
}
