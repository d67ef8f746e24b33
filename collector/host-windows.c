/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See host-windows.h.
 */
#include "host-windows.h"

#include <string.h>

#include "trace-file.h"

typedef struct {
    TcsVmWindows *windows;
    GHashTable *last_seen; /* host CPU -> guint64 *, its last event's time */
} Reader;

/* Around the same moments, by the names that architectures have for them. */
static const struct {
    const char *system, *entry, *exit;
} crossings[] = {
    { "kvm", "kvm_entry", "kvm_exit" },
    { "kvm_hv", "kvm_guest_enter", "kvm_guest_exit" }, /* ppc64 */
};

gboolean tcs_host_windows_is_crossing(const struct tcs_trace_dat_event *event,
                                      gboolean *ret_is_entry)
{
    for (gsize i = 0; i < G_N_ELEMENTS(crossings); i++) {
        *ret_is_entry = strcmp(event->name, crossings[i].entry) == 0;
        if (strcmp(event->system, crossings[i].system) == 0 &&
            (*ret_is_entry || strcmp(event->name, crossings[i].exit) == 0)) {
            return TRUE;
        }
    }
    return FALSE;
}

static int on_event(const struct tcs_trace_dat_event *event, void *data)
{
    Reader *reader = data;
    gboolean is_entry;
    guint64 *last =
        g_hash_table_lookup(reader->last_seen, GINT_TO_POINTER(event->cpu));

    if (event->lost_before) {
        tcs_vm_windows_add_loss(reader->windows, last ? *last : 0, event->ts);
    }
    if (!last) {
        last = g_new(guint64, 1);
        g_hash_table_insert(reader->last_seen, GINT_TO_POINTER(event->cpu),
                            last);
    }
    *last = event->ts;
    if (tcs_host_windows_is_crossing(event, &is_entry)) {
        tcs_vm_windows_add(reader->windows, event->pid, is_entry, event->ts);
    }
    return 0;
}

TcsVmWindows *tcs_host_windows_read(const char *path, GError **error)
{
    g_autoptr(TcsVmWindows) windows = tcs_vm_windows_new();
    g_autoptr(GHashTable) last_seen =
        g_hash_table_new_full(NULL, NULL, NULL, g_free);
    Reader reader = { windows, last_seen };

    if (!tcs_trace_file_each_event(path, on_event, &reader, error)) {
        return NULL;
    }
    return g_steal_pointer(&windows);
}
