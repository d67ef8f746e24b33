/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When vCPU threads were inside their guest, by a host's trace of kvm:kvm_entry
 * and kvm:kvm_exit. Pure: it is fed events in order and asked afterwards.
 */
#ifndef COLLECTOR_VM_WINDOWS_H
#define COLLECTOR_VM_WINDOWS_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct TcsVmWindows TcsVmWindows;

TcsVmWindows *tcs_vm_windows_new(void);
void tcs_vm_windows_free(TcsVmWindows *windows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsVmWindows, tcs_vm_windows_free)

/* A thread's entry into the guest, or its exit; in the order of times. */
void tcs_vm_windows_add(TcsVmWindows *windows, int thread, gboolean is_entry,
                        guint64 ts);

/*
 * Makes `thread` one whose crossings are those of all these threads: of a vCPU
 * that several ran, one after the other. From one thread's last crossing to the
 * next one's first it is UNKNOWN where the vCPU was. They stay what they are.
 */
void tcs_vm_windows_join(TcsVmWindows *windows, int thread, const int *threads,
                         guint n);

/* Events of the host may be missing from `from` to `to`. */
void tcs_vm_windows_add_loss(TcsVmWindows *windows, guint64 from, guint64 to);

/* Whether this thread ever entered or left. */
gboolean tcs_vm_windows_knows(const TcsVmWindows *windows, int thread);

typedef enum {
    TCS_VM_INSIDE,
    TCS_VM_OUTSIDE,
    TCS_VM_UNKNOWN, /* before, after or between what the host recorded */
} TcsVmPlace;

/*
 * Where a moment lies. INSIDE: *ret_after and *ret_before say how long after
 * the entry and before the exit. OUTSIDE: how long after the exit before it,
 * and before the next entry.
 */
TcsVmPlace tcs_vm_windows_place(const TcsVmWindows *windows, int thread,
                                guint64 ts, guint64 *ret_after,
                                guint64 *ret_before);

/* Where a thread was between two of its neighbouring crossings. */
typedef void (*TcsVmStretchFunc)(TcsVmPlace place, guint64 from, guint64 to,
                                 gpointer data);

/*
 * Every stretch that has a part in [from, to], in their order; a thread that is
 * not known has one, UNKNOWN.
 */
void tcs_vm_windows_each(const TcsVmWindows *windows, int thread, guint64 from,
                         guint64 to, TcsVmStretchFunc func, gpointer data);

/* When the first thread of all crossed first, and the last one last. */
gboolean tcs_vm_windows_extent(const TcsVmWindows *windows, guint64 *ret_first,
                               guint64 *ret_last);

G_END_DECLS

#endif
