/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Both commands on a system whose counter the agent's core cannot read.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qga-qapi-commands.h"

#define UNSUPPORTED "trace clocks are not supported here; Linux on x86-64 is"

GuestTraceClocks *qmp_guest_get_trace_clocks(bool has_clocks, strList *clocks,
                                             bool has_samples, int64_t samples,
                                             bool has_cpus, intList *cpus,
                                             Error **errp)
{
    error_setg(errp, UNSUPPORTED);
    return NULL;
}

GuestTraceClockProbe *qmp_guest_trace_clock_probe(bool has_cpu, int64_t cpu,
                                                  Error **errp)
{
    error_setg(errp, UNSUPPORTED);
    return NULL;
}
