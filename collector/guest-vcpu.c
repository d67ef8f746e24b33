/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See guest-vcpu.h.
 */
#include "guest-vcpu.h"

#include "error.h"

static const TcsVcpu *find_vcpu(const GArray *vcpus, gboolean by_arch_id,
                                gint64 id)
{
    for (guint i = 0; i < vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(vcpus, TcsVcpu, i);

        if (by_arch_id ? vcpu->has_arch_id && vcpu->arch_id == id
                       : vcpu->cpu_index == id) {
            return vcpu;
        }
    }
    return NULL;
}

const TcsVcpu *tcs_guest_vcpu(const TcsLog *log, gint64 guest_cpu,
                              GError **error)
{
    const TcsVcpu *vcpu = NULL;

    for (guint i = 0; i < log->samples->len && !vcpu; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const TcsGuestCpu *cpu =
            sample->guest ? tcs_guest_reply_find_cpu(sample->guest, guest_cpu)
                          : NULL;

        if (cpu && cpu->has_arch_id) {
            vcpu = find_vcpu(sample->qmp_after->vcpus, TRUE, cpu->arch_id);
        }
    }
    for (guint i = 0; i < log->samples->len && !vcpu; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        vcpu = find_vcpu(sample->qmp_after->vcpus, FALSE, guest_cpu);
    }
    if (!vcpu) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the guest's trace has events of CPU %" G_GINT64_FORMAT
                    ", and the log knows no such vCPU: are they of one VM?",
                    guest_cpu);
    }
    return vcpu;
}
