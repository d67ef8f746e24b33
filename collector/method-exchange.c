/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The method `exchange`: two-way probes, bracketed by the host's own counter.
 * Needs nothing but an agent that answers.
 */
#include "error.h"
#include "json-list.h"
#include "method.h"

static json_object *arguments(gint64 cpu)
{
    json_object *object = json_object_new_object();

    if (cpu >= 0) {
        json_object_object_add(object, "cpu", json_object_new_int64(cpu));
    }
    return object;
}

static gboolean get_cpu(json_object *reply, gint64 *ret_cpu, GError **error)
{
    return tcs_json_get_i64(reply, "cpu", ret_cpu, error);
}

static gboolean tie(json_object *record, struct tcs_rate_span rate,
                    TcsAnswer *ret_answer, GError **error)
{
    json_object *reply;
    guint64 sent, receive, transmit, received;

    if (!tcs_json_get_object(record, "reply", &reply, error) ||
        !tcs_json_get_u64(record, "counter-before", &sent, error) ||
        !tcs_json_get_u64(record, "counter-after", &received, error) ||
        !tcs_json_get_u64(reply, "counter-receive", &receive, error) ||
        !tcs_json_get_u64(reply, "counter-transmit", &transmit, error) ||
        !tcs_json_get_i64(reply, "cpu", &ret_answer->tie.cpu, error) ||
        !tcs_json_copy_string(reply, "counter", ret_answer->counter,
                              sizeof(ret_answer->counter), error) ||
        !tcs_json_copy_string(reply, "boot-id", ret_answer->boot_id,
                              sizeof(ret_answer->boot_id), error)) {
        return FALSE;
    }
    /* The counter may wrap between two reads; it may not run backward. */
    if (transmit - receive > INT64_MAX || received < sent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "it says that it replied before it was asked; do not trust "
                    "this guest's clocks");
        return FALSE;
    }
    ret_answer->tie.when.lo.ticks = sent;
    ret_answer->tie.ceiling.ticks = receive;
    ret_answer->tie.floor.ticks = transmit;
    ret_answer->tie.when.hi.ticks = received;
    return TRUE;
}

const TcsMethod tcs_method_exchange = {
    .name = "exchange",
    .command = "guest-trace-clock-probe",
    .requests = 32,
    .advice =
        "this agent answers no probes: it is older than this program, or a "
        "qemu-ga without the extension (guest-exec is too slow for them); run "
        "trace-clock-agent --listen in the guest, preload "
        "qga-extension.so into its qemu-ga, or add --qmp",
    .arguments = arguments,
    .cpu = get_cpu,
    .tie = tie,
};
