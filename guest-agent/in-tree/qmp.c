/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edge where the agent's core is compiled into qemu-ga: both commands as
 * their schema's generated code wants them. The core checks the arguments.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"
#include "qga-qapi-commands.h"
#include "qga-qapi-visit.h"

#include "answer.h"
#include "probe.h"

/* Takes both; NULL with *errp set where there is none but an error. */
static Visitor *reply_visitor(json_object *reply, GError *error, Error **errp)
{
    Visitor *v;

    if (!reply) {
        error_setg(errp, "%s", error->message);
        g_error_free(error);
        return NULL;
    }
    v = qobject_input_visitor_new(reply);
    qobject_unref(reply);
    return v;
}

GuestTraceClocks *qmp_guest_get_trace_clocks(GuestTraceClocksRequest *request,
                                             Error **errp)
{
    GuestTraceClocks *reply = NULL;
    QObject *arguments = NULL;
    GError *error = NULL;
    json_object *answer;
    Visitor *v = qobject_output_visitor_new(&arguments);

    visit_type_GuestTraceClocksRequest(v, NULL, &request, &error_abort);
    visit_complete(v, &arguments);
    visit_free(v);
    answer = tga_answer(arguments, &error);
    qobject_unref(arguments);
    v = reply_visitor(answer, error, errp);
    if (v) {
        visit_type_GuestTraceClocks(v, NULL, &reply, errp);
        visit_free(v);
    }
    return reply;
}

GuestTraceClockProbe *qmp_guest_trace_clock_probe(bool has_cpu, int64_t cpu,
                                                  Error **errp)
{
    struct tga_stamp arrival = tga_stamp_arrival();
    g_autoptr(QDict) arguments = qdict_new();
    GuestTraceClockProbe *reply = NULL;
    GError *error = NULL;
    json_object *answer;
    Visitor *v;

    if (has_cpu) {
        qdict_put_int(arguments, "cpu", cpu);
    }
    answer = tga_probe(QOBJECT(arguments), &arrival, &error);
    v = reply_visitor(answer, error, errp);
    if (v) {
        visit_type_GuestTraceClockProbe(v, NULL, &reply, errp);
        visit_free(v);
    }
    return reply;
}
