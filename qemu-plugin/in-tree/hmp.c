/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "info trace-clock-sync": the QMP command's answer for people.
 */
#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-trace-clock-sync.h"

static void print_vcpu(Monitor *mon, const TraceClockVcpu *vcpu)
{
    monitor_printf(mon, "CPU #%" PRId64 ":", vcpu->cpu_index);
    if (vcpu->ratio) {
        monitor_printf(mon,
                       " guest = (host * %" PRIu64 " >> %u) %+" PRId64
                       " +- %" PRIu64 " ticks (%s, ratio %s)",
                       vcpu->ratio->multiplier, vcpu->ratio->shift,
                       vcpu->offset, vcpu->bound_ticks, vcpu->source,
                       vcpu->ratio_source);
    }
    if (!vcpu->stable) {
        monitor_printf(mon, " NOT STABLE: %s", vcpu->reason);
    }
    monitor_printf(mon, "\n");
}

void hmp_info_trace_clock_sync(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;
    TraceClockSync *sync = qmp_query_trace_clock_sync(false, NULL, &err);

    if (hmp_handle_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "%s, accelerator %s, %s, generation %" PRId64 "\n",
                   sync->counter, sync->accel,
                   sync->running ? "running" : "stopped", sync->generation);
    for (TraceClockVcpuList *e = sync->vcpus; e; e = e->next) {
        print_vcpu(mon, e->value);
    }
    qapi_free_TraceClockSync(sync);
}
