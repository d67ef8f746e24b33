/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP command on a host whose counter the shared sources cannot read.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-trace-clock-sync.h"

TraceClockSync *qmp_query_trace_clock_sync(bool has_vcpus, intList *vcpus,
                                           Error **errp)
{
    error_setg(errp, "query-trace-clock-sync is not supported on this host; "
                     "it needs Linux on x86-64");
    return NULL;
}
