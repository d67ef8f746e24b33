/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The method `ptp-kvm`: the guest asks its hypervisor for the host's realtime,
 * which KVM reads at one instant with the counter; the collector knows when the
 * host's realtime showed that.
 */
#include "tie.h"

#define CLOCK "ptp-kvm"

static json_object *arguments(gint64 cpu)
{
    return tcs_tie_clock_arguments(CLOCK, cpu);
}

static gboolean tie(json_object *record, struct tcs_rate_span rate,
                    TcsAnswer *ret_answer, GError **error)
{
    return tcs_tie_from_clock(record, CLOCK, ret_answer, error) &&
           tcs_tie_when_realtime(record, ret_answer->tie.value, rate,
                                 &ret_answer->tie.when, error);
}

const TcsMethod tcs_method_ptp_kvm = {
    .name = "ptp-kvm",
    .command = "guest-get-trace-clocks",
    .requests = 4,
    .uses_realtime = TRUE,
    .advice = "the guest's agent is not one of ours; run trace-clock-agent",
    .arguments = arguments,
    .cpu = tcs_tie_clock_cpu,
    .tie = tie,
};
