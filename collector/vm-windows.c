/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See vm-windows.h.
 */
#include "vm-windows.h"

/* A thread's crossings, alternately or not, in the order of times. */
typedef struct {
    guint64 ts;
    gboolean is_entry;
} Crossing;

typedef struct {
    guint64 from;
    guint64 to;
} Loss;

struct TcsVmWindows {
    GHashTable *threads; /* thread id -> GArray of Crossing */
    GArray *losses;      /* of Loss, by their ends */
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
    const Crossing crossing = { ts, is_entry };

    if (!crossings) {
        crossings = g_array_new(FALSE, FALSE, sizeof(Crossing));
        g_hash_table_insert(windows->threads, GINT_TO_POINTER(thread),
                            crossings);
    }
    g_array_append_val(crossings, crossing);
}

void tcs_vm_windows_add_loss(TcsVmWindows *windows, guint64 from, guint64 to)
{
    const Loss loss = { from, to };

    g_array_append_val(windows->losses, loss);
}

gboolean tcs_vm_windows_knows(const TcsVmWindows *windows, int thread)
{
    return g_hash_table_contains(windows->threads, GINT_TO_POINTER(thread));
}

/* Whether what happened between two moments may be missing in part. */
static gboolean is_lossy(const TcsVmWindows *windows, guint64 from, guint64 to)
{
    for (guint i = 0; i < windows->losses->len; i++) {
        const Loss *loss = &g_array_index(windows->losses, Loss, i);

        if (loss->from <= to && loss->to >= from) {
            return TRUE;
        }
    }
    return FALSE;
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
    /* Two entries in a row, or two exits: what was between them is lost. */
    if (before->is_entry == after->is_entry ||
        is_lossy(windows, before->ts, after->ts)) {
        return TCS_VM_UNKNOWN;
    }
    return before->is_entry ? TCS_VM_INSIDE : TCS_VM_OUTSIDE;
}
