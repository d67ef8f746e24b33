/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See vm-windows.h.
 */
#include "vm-windows.h"

/* A thread's crossings, alternately or not, in the order of times. */
typedef struct {
    guint64 ts;
    gboolean is_entry;
    int thread; /* which did it */
} Crossing;

typedef struct {
    guint64 from;
    guint64 to;
} Loss;

struct TcsVmWindows {
    GHashTable *threads; /* thread id -> GArray of Crossing */
    GArray *losses;      /* of Loss, ascending and apart */
};

TcsVmWindows *tcs_vm_windows_new(void)
{
    TcsVmWindows *windows = g_new0(TcsVmWindows, 1);

    windows->threads =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    windows->losses = g_array_new(FALSE, FALSE, sizeof(Loss));
    return windows;
}

void tcs_vm_windows_free(TcsVmWindows *windows)
{
    if (windows) {
        g_hash_table_unref(windows->threads);
        g_array_unref(windows->losses);
        g_free(windows);
    }
}

void tcs_vm_windows_add(TcsVmWindows *windows, int thread, gboolean is_entry,
                        guint64 ts)
{
    GArray *crossings =
        g_hash_table_lookup(windows->threads, GINT_TO_POINTER(thread));
    const Crossing crossing = { ts, is_entry, thread };

    if (!crossings) {
        crossings = g_array_new(FALSE, FALSE, sizeof(Crossing));
        g_hash_table_insert(windows->threads, GINT_TO_POINTER(thread),
                            crossings);
    }
    g_array_append_val(crossings, crossing);
}

static gint compare_crossings(gconstpointer a, gconstpointer b)
{
    const guint64 x = ((const Crossing *)a)->ts, y = ((const Crossing *)b)->ts;

    return x < y ? -1 : x > y;
}

void tcs_vm_windows_join(TcsVmWindows *windows, int thread, const int *threads,
                         guint n)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Crossing));

    for (guint i = 0; i < n; i++) {
        const GArray *crossings =
            g_hash_table_lookup(windows->threads, GINT_TO_POINTER(threads[i]));

        if (crossings) {
            g_array_append_vals(all, crossings->data, crossings->len);
        }
    }
    /* It keeps the order of those that are equal. */
    g_array_sort(all, compare_crossings);
    if (all->len > 0) {
        g_hash_table_replace(windows->threads, GINT_TO_POINTER(thread), all);
    } else {
        g_array_unref(all);
    }
}

void tcs_vm_windows_add_loss(TcsVmWindows *windows, guint64 from, guint64 to)
{
    GArray *losses = windows->losses;
    Loss loss = { from, to };

    /* They come by their ends. */
    while (losses->len > 0) {
        const Loss *last = &g_array_index(losses, Loss, losses->len - 1);

        if (last->to < loss.from) {
            break;
        }
        loss.from = MIN(loss.from, last->from);
        loss.to = MAX(loss.to, last->to);
        g_array_set_size(losses, losses->len - 1);
    }
    g_array_append_val(losses, loss);
}

gboolean tcs_vm_windows_knows(const TcsVmWindows *windows, int thread)
{
    return g_hash_table_contains(windows->threads, GINT_TO_POINTER(thread));
}

/* Whether what happened between two moments may be missing in part. */
static gboolean is_lossy(const TcsVmWindows *windows, guint64 from, guint64 to)
{
    guint lo = 0, hi = windows->losses->len;

    while (lo < hi) {
        guint middle = lo + (hi - lo) / 2;

        if (g_array_index(windows->losses, Loss, middle).to < from) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < windows->losses->len &&
           g_array_index(windows->losses, Loss, lo).from <= to;
}

/* How many crossings are at or before a moment. */
static guint count_until(const GArray *crossings, guint64 ts)
{
    guint lo = 0, hi = crossings->len;

    while (lo < hi) {
        guint middle = lo + (hi - lo) / 2;

        if (g_array_index(crossings, Crossing, middle).ts <= ts) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* Where the thread was between two neighbouring crossings. */
static TcsVmPlace place_between(const TcsVmWindows *windows,
                                const Crossing *before, const Crossing *after)
{
    /*
     * Two entries in a row, or two exits: what was between them is lost. From
     * one thread to the next the vCPU may have run elsewhere.
     */
    if (before->is_entry == after->is_entry ||
        before->thread != after->thread ||
        is_lossy(windows, before->ts, after->ts)) {
        return TCS_VM_UNKNOWN;
    }
    return before->is_entry ? TCS_VM_INSIDE : TCS_VM_OUTSIDE;
}

TcsVmPlace tcs_vm_windows_place(const TcsVmWindows *windows, int thread,
                                guint64 ts, guint64 *ret_after,
                                guint64 *ret_before)
{
    const GArray *crossings =
        g_hash_table_lookup(windows->threads, GINT_TO_POINTER(thread));
    const Crossing *before, *after;
    guint n;

    n = crossings ? count_until(crossings, ts) : 0;
    if (n == 0 || n == crossings->len) {
        return TCS_VM_UNKNOWN;
    }
    before = &g_array_index(crossings, Crossing, n - 1);
    after = before + 1;
    if (!before->is_entry && n >= 2 && before->ts == ts) {
        /* At the very moment of an exit it was still inside. */
        after = before;
        before--;
    }
    *ret_after = ts - before->ts;
    *ret_before = after->ts - ts;
    return place_between(windows, before, after);
}

void tcs_vm_windows_each(const TcsVmWindows *windows, int thread, guint64 from,
                         guint64 to, TcsVmStretchFunc func, gpointer data)
{
    const GArray *crossings =
        g_hash_table_lookup(windows->threads, GINT_TO_POINTER(thread));
    const guint n = crossings ? crossings->len : 0;
    guint64 reached = from;

    for (guint i = n ? MAX(count_until(crossings, from), 1) - 1 : 0;
         i < n && reached < to; i++) {
        const Crossing *crossing = &g_array_index(crossings, Crossing, i);
        const gboolean is_last = i + 1 == n;

        if (i == 0 && crossing->ts > reached) {
            func(TCS_VM_UNKNOWN, reached, crossing->ts, data);
        }
        reached = is_last ? MAX(to, crossing->ts) : crossing[1].ts;
        func(is_last ? TCS_VM_UNKNOWN
                     : place_between(windows, crossing, crossing + 1),
             crossing->ts, reached, data);
    }
    if (n == 0) {
        func(TCS_VM_UNKNOWN, from, to, data);
    }
}

gboolean tcs_vm_windows_extent(const TcsVmWindows *windows, guint64 *ret_first,
                               guint64 *ret_last)
{
    GHashTableIter iter;
    gpointer value;

    *ret_first = G_MAXUINT64;
    *ret_last = 0;
    g_hash_table_iter_init(&iter, windows->threads);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const GArray *crossings = value;

        *ret_first = MIN(*ret_first, g_array_index(crossings, Crossing, 0).ts);
        *ret_last =
            MAX(*ret_last,
                g_array_index(crossings, Crossing, crossings->len - 1).ts);
    }
    return *ret_first <= *ret_last;
}
