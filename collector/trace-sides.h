/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a pair of traces is the right way round and of a log's VM, by whose
 * threads enter guests in them: a host's trace of kvm's events tells.
 */
#ifndef COLLECTOR_TRACE_SIDES_H
#define COLLECTOR_TRACE_SIDES_H

#include "log.h"
#include "trace-file.h"

G_BEGIN_DECLS

/*
 * TCS_ERROR_REFUSED where the guest's file shows the log's vCPUs from outside,
 * or the host's, which may be NULL, those of other VMs alone. Of the first
 * events of each CPU, and of no more than some millions where another VM's are
 * found, however large the files are: where that is not all a warning takes the
 * refusal's place. What has no such events, or cannot be read, passes.
 */
gboolean tcs_trace_sides_check(const TcsLog *log, const TcsTraceFile *guest,
                               const TcsTraceFile *host, GError **error);

G_END_DECLS

#endif
