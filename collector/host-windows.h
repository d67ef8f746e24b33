/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a host's trace to the windows in which vCPU threads were in the guest.
 */
#ifndef COLLECTOR_HOST_WINDOWS_H
#define COLLECTOR_HOST_WINDOWS_H

#include "formats/trace-dat-events.h"
#include "vm-windows.h"

G_BEGIN_DECLS

/* What a trace that has them is recorded with, for messages. */
#define TCS_HOST_WINDOWS_RECORD \
    "`trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit -C mono`"

/* Whether it is a thread's entry into a guest, or its exit. */
gboolean tcs_host_windows_is_crossing(const struct tcs_trace_dat_event *event,
                                      gboolean *ret_is_entry);

/* Of all threads in the file, its losses noted. TCS_ERROR_FILE. */
TcsVmWindows *tcs_host_windows_read(const char *path, GError **error);

G_END_DECLS

#endif
