/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of mappings in QEMU's component: when a change counts as one,
 * what it is told to be due to, and what is left of the history when it
 * overflows. The history is one for the process, so each case runs in one of
 * its own.
 */
#include <glib.h>

#include "qemu-plugin/epochs.h"

#define SHIFT 32

/* What a vCPU thread would report. */
static struct tcs_vcpu_report vcpu(int index, int thread, int64_t offset)
{
    struct tcs_vcpu_report report = {
        .cpu_index = index,
        .thread_id = thread,
        .has_map = true,
        .counter_after = 1000,
    };

    g_assert_cmpint(tcs_counter_map_init(&report.map, (uint64_t)1 << SHIFT,
                                         SHIFT, offset, 0),
                    ==, 0);
    return report;
}

static void note(struct tcs_vcpu_report report, const char *cause)
{
    tcs_epochs_note(&report, true, cause);
}

/* The last epoch there is. */
static struct tcs_epoch last(size_t expected)
{
    g_autofree struct tcs_epoch *epochs = NULL;
    size_t n = tcs_epochs_copy(&epochs);

    g_assert_cmpuint(n, ==, expected);
    return epochs[n - 1];
}

static void case_changes(void)
{
    g_autofree struct tcs_epoch *none = NULL;

    g_assert_cmpuint(tcs_epochs_copy(&none), ==, 0);
    g_assert_cmpint(tcs_epochs_generation(), ==, 0);
    note(vcpu(0, 10, -5), "reset");
    g_assert_cmpstr(last(1).cause, ==, "first seen");
    note(vcpu(0, 10, -5), "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 1);
    note(vcpu(0, 10, -6), "reset");
    g_assert_cmpstr(last(2).cause, ==, "reset");
    g_assert_cmpint(last(2).map.offset, ==, -6);
    g_assert_cmpint(last(2).generation, ==, 2);
    /* Another vCPU is another matter. */
    note(vcpu(1, 11, -5), "reset");
    g_assert_cmpstr(last(3).cause, ==, "first seen");
    note(vcpu(0, 10, -6), "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 3);
}

static void case_ratio(void)
{
    struct tcs_vcpu_report report = vcpu(0, 10, 0);

    note(report, "reset");
    report.map.multiplier++;
    note(report, "migration");
    g_assert_cmpstr(last(2).cause, ==, "migration");
}

/* No map: nothing is known, so nothing has changed. Not stable: no epoch. */
static void case_unknown(void)
{
    struct tcs_vcpu_report report = vcpu(0, 10, 0);

    note(report, "reset");
    report.has_map = false;
    report.map.offset = 7;
    note(report, "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 1);
    report.has_map = true;
    tcs_epochs_note(&report, false, "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 2);
    g_assert_cmpint(last(1).map.offset, ==, 0);
    tcs_epochs_note(&report, false, "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 2);
    /* It was moving; that it rests where it was seen last is by chance. */
    note(report, "cont");
    g_assert_cmpstr(last(2).cause, ==, "cont");
}

static void case_bounds(void)
{
    struct tcs_vcpu_report report = vcpu(0, 10, INT64_MAX - 3);

    report.map.offset_bound = 5;
    note(report, "reset");
    /* 10 apart, across the end of the number range: may be the same. */
    report.map.offset = INT64_MIN + 6;
    note(report, "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 1);
    report.map.offset = INT64_MIN + 7;
    note(report, "reset");
    g_assert_cmpint(tcs_epochs_generation(), ==, 2);
}

static void case_plugged(void)
{
    struct tcs_vcpu_report report = vcpu(3, 10, 0);

    report.hotplugged = true;
    note(report, "unknown");
    g_assert_cmpstr(last(1).cause, ==, "hotplug");
    note(report, "unknown");
    g_assert_cmpint(tcs_epochs_generation(), ==, 1);
    /* Another one in its place, with the same mapping. */
    report.thread_id = 11;
    note(report, "unknown");
    g_assert_cmpstr(last(2).cause, ==, "hotplug");
    report.map.offset = 4;
    note(report, "unknown");
    g_assert_cmpstr(last(3).cause, ==, "unknown");
}

static void case_overflow(void)
{
    const int64_t more = 3;
    g_autofree struct tcs_epoch *epochs = NULL;

    for (int64_t i = 0; i < TCS_EPOCHS_MAX + more; i++) {
        note(vcpu(0, 10, i), "unknown");
    }
    g_assert_cmpuint(tcs_epochs_copy(&epochs), ==, TCS_EPOCHS_MAX);
    for (int64_t i = 0; i < TCS_EPOCHS_MAX; i++) {
        g_assert_cmpint(epochs[i].map.offset, ==, i + more);
        g_assert_cmpint(epochs[i].generation, ==, i + more + 1);
    }
    g_assert_cmpint(tcs_epochs_generation(), ==, TCS_EPOCHS_MAX + more);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "/epochs/changes", case_changes }, { "/epochs/ratio", case_ratio },
    { "/epochs/unknown", case_unknown }, { "/epochs/bounds", case_bounds },
    { "/epochs/plugged", case_plugged }, { "/epochs/overflow", case_overflow },
};

static void in_process(gconstpointer data)
{
    void (*run)(void) = *(void (*const *)(void))data;

    if (g_test_subprocess()) {
        run();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(cases[i].name, &cases[i].run, in_process);
    }
    return g_test_run();
}
