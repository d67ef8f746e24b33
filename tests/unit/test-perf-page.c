/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The perf page's formula: the kernel's own two-step arithmetic gives the same
 * for any numbers; a page without a formula, or one that never comes to rest,
 * is refused; and where this kernel offers one, the clock it makes runs on.
 */
#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "clockread/counter.h"
#include "clockread/perf-page.h"

#define ROUNDS 100000

/* As linux/perf_event.h prescribes it, in 64 bits. */
static uint64_t prescribed(const struct tcs_perf_scale *scale, uint64_t cycles)
{
    uint64_t quot = cycles >> scale->shift;
    uint64_t rem = cycles & ((UINT64_C(1) << scale->shift) - 1);

    return scale->zero + quot * scale->mult +
           ((rem * scale->mult) >> scale->shift);
}

static void test_formula(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261122);

    for (int i = 0; i < ROUNDS; i++) {
        struct tcs_perf_scale scale = {
            .zero = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand),
            .mult = MAX(g_rand_int(rand), 1),
            .shift = (uint16_t)g_rand_int_range(rand, 0, 32),
        };
        uint64_t cycles = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);

        g_assert_cmpuint(tcs_perf_scale_apply(&scale, cycles), ==,
                         prescribed(&scale, cycles));
    }
}

static void test_ends(void)
{
    struct tcs_perf_scale one = { .zero = 7, .mult = 1, .shift = 0 };
    struct tcs_perf_scale steep = { .mult = UINT32_MAX, .shift = 63 };

    g_assert_cmpuint(tcs_perf_scale_apply(&one, 0), ==, 7);
    g_assert_cmpuint(tcs_perf_scale_apply(&one, UINT64_MAX), ==, 6);
    /* A product above 64 bits keeps its high part. */
    g_assert_cmpuint(tcs_perf_scale_apply(&steep, UINT64_MAX), ==,
                     UINT64_C(0x1fffffffd));
}

static struct perf_event_mmap_page good_page(void)
{
    return (struct perf_event_mmap_page){
        .lock = 4,
        .cap_user_time = 1,
        .cap_user_time_zero = 1,
        .time_mult = 3,
        .time_shift = 2,
        .time_zero = 100,
    };
}

static void test_page(void)
{
    struct perf_event_mmap_page page = good_page();
    struct tcs_perf_scale scale;

    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, 0);
    g_assert_cmpuint(scale.zero, ==, 100);
    g_assert_cmpuint(scale.mult, ==, 3);
    g_assert_cmpuint(scale.shift, ==, 2);
}

static void test_no_formula(void)
{
    struct perf_event_mmap_page page = good_page();
    struct tcs_perf_scale scale;

    page.cap_user_time_zero = 0;
    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, -EOPNOTSUPP);
    page = good_page();
    page.cap_user_time = 0;
    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, -EOPNOTSUPP);
    page = good_page();
    page.time_mult = 0;
    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, -ERANGE);
    page = good_page();
    page.time_shift = 64;
    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, -ERANGE);
}

static void test_restless_page(void)
{
    struct perf_event_mmap_page page = good_page();
    struct tcs_perf_scale scale;

    page.lock = 5;
    g_assert_cmpint(tcs_perf_scale_from_page(&page, &scale), ==, -EAGAIN);
}

struct writer {
    /* A page's alignment, so that lock and zero are in two cache lines. */
    _Alignas(4096) struct perf_event_mmap_page page;
    gint stop;
};

/* Zero, mult and shift always belong together: zero == mult == shift + 1. */
static gpointer write_pages(gpointer data)
{
    struct writer *writer = data;
    volatile struct perf_event_mmap_page *page = &writer->page;

    for (uint32_t i = 0; !g_atomic_int_get(&writer->stop); i++) {
        uint16_t shift = i % 32;

        page->lock++;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        page->time_zero = shift + 1;
        page->time_mult = shift + 1U;
        page->time_shift = shift;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        page->lock++;
        for (volatile int rest = 0; rest < 50; rest++) {
        }
    }
    return NULL;
}

static void test_torn_page(void)
{
    struct writer writer = { .page = good_page() };
    const volatile struct perf_event_mmap_page *page = &writer.page;
    GThread *thread;

    writer.page.time_zero = writer.page.time_mult = 1;
    writer.page.time_shift = 0;
    thread = g_thread_new("writer", write_pages, &writer);
    while (page->lock < 100 * ROUNDS) {
        struct tcs_perf_scale scale;
        int ret = tcs_perf_scale_from_page(&writer.page, &scale);

        if (ret == 0) {
            g_assert_cmpuint(scale.zero, ==, scale.mult);
            g_assert_cmpuint(scale.mult, ==, scale.shift + 1U);
        } else {
            g_assert_cmpint(ret, ==, -EAGAIN);
        }
    }
    g_atomic_int_set(&writer.stop, 1);
    g_thread_join(thread);
}

static void test_this_kernel(void)
{
    struct tcs_perf_scale scale;
    uint64_t last = 0;
    int fd = tcs_perf_page_open();
    int ret = fd < 0 ? fd : tcs_perf_page_scale(fd, &scale);

    if (ret < 0) {
        g_test_skip_printf("this kernel offers no formula: %s",
                           g_strerror(-ret));
    }
    for (int i = 0; i < 1000 && ret == 0; i++) {
        uint64_t now;

        g_assert_cmpint(tcs_perf_page_scale(fd, &scale), ==, 0);
        now = tcs_perf_scale_apply(&scale, tcs_counter_before());
        g_assert_cmpuint(now, >=, last);
        last = now;
    }
    if (fd >= 0) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/perf-page/formula", test_formula);
    g_test_add_func("/perf-page/ends", test_ends);
    g_test_add_func("/perf-page/page", test_page);
    g_test_add_func("/perf-page/no-formula", test_no_formula);
    g_test_add_func("/perf-page/restless", test_restless_page);
    g_test_add_func("/perf-page/torn", test_torn_page);
    g_test_add_func("/perf-page/this-kernel", test_this_kernel);
    return g_test_run();
}
