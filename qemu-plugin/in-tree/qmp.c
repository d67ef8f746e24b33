/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edge where the command is compiled into QEMU: QMP command and event as
 * their schema's generated code wants them. All else is shared with the plugin.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-trace-clock-sync.h"
#include "qapi/qapi-events-trace-clock-sync.h"
#include "qapi/qapi-visit-trace-clock-sync.h"
#include "qapi/qobject-input-visitor.h"
#include "qemu/module.h"
#include "qemu/notify.h"

#include "backend.h"
#include "epochs.h"
#include "events.h"
#include "query.h"

TraceClockSync *qmp_query_trace_clock_sync(bool has_vcpus, intList *vcpus,
                                           Error **errp)
{
    QDict *reply = tcs_query(TCS_SOURCE_AUTO, has_vcpus, vcpus, errp);
    TraceClockSync *sync = NULL;
    Visitor *v;

    if (!reply) {
        return NULL;
    }
    v = qobject_input_visitor_new(QOBJECT(reply));
    visit_type_TraceClockSync(v, NULL, &sync, errp);
    visit_free(v);
    qobject_unref(reply);
    return sync;
}

/* On the vCPU's thread, with the big lock. */
static void emit_change(int64_t generation, int cpu_index, const char *cause)
{
    qapi_event_send_trace_clock_sync_change(generation, cpu_index, cause);
}

/* Not earlier: whether this is an incoming migration must be known. */
static void watch(Notifier *notifier, void *data)
{
    tcs_backends_prepare(NULL);
    tcs_epochs_on_change(emit_change);
    tcs_events_watch(TCS_SOURCE_AUTO);
}

static Notifier machine_done = { .notify = watch };

static void trace_clock_sync_init(void)
{
    qemu_add_machine_init_done_notifier(&machine_done);
}

opts_init(trace_clock_sync_init);
