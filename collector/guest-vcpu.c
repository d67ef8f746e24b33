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

/* The guest's own number of that CPU's hardware. */
static gboolean find_arch_id(const TcsLog *log, gint64 guest_cpu, gint64 *ret)
{
    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const TcsGuestCpu *cpu =
            sample->guest ? tcs_guest_reply_find_cpu(sample->guest, guest_cpu)
                          : NULL;

        if (cpu && cpu->has_arch_id) {
            *ret = cpu->arch_id;
            return TRUE;
        }
    }
    return FALSE;
}

/* A thread, and for how many samples it ran the CPU. */
typedef struct {
    gint64 thread_id;
    guint samples;
    const TcsVcpu *vcpu; /* in the first of them */
} Ran;

static void count(GArray *ran, const TcsVcpu *vcpu)
{
    const Ran one = { vcpu->thread_id, 1, vcpu };

    for (guint i = 0; i < ran->len; i++) {
        Ran *before = &g_array_index(ran, Ran, i);

        if (before->thread_id == vcpu->thread_id) {
            before->samples++;
            return;
        }
    }
    g_array_append_val(ran, one);
}

/* All that ran it, in their order: none where there is no such vCPU. */
static GArray *list_threads(const TcsLog *log, gint64 guest_cpu)
{
    GArray *ran = g_array_new(FALSE, FALSE, sizeof(Ran));
    gint64 id = 0;
    gboolean by_arch_id = find_arch_id(log, guest_cpu, &id);

    for (guint pass = by_arch_id ? 0 : 1; pass < 2 && ran->len == 0; pass++) {
        for (guint i = 0; i < log->samples->len; i++) {
            const TcsSample *sample = g_ptr_array_index(log->samples, i);
            const TcsVcpu *vcpu = find_vcpu(sample->qmp_after->vcpus, pass == 0,
                                            pass == 0 ? id : guest_cpu);

            if (vcpu) {
                count(ran, vcpu);
            }
        }
    }
    return ran;
}

static gboolean set_no_vcpu(gint64 guest_cpu, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "the log knows no vCPU for the guest's CPU %" G_GINT64_FORMAT
                ": it is of another VM, or was recorded without --qmp or "
                "--domain",
                guest_cpu);
    return FALSE;
}

const TcsVcpu *tcs_guest_vcpu(const TcsLog *log, gint64 guest_cpu,
                              GError **error)
{
    g_autoptr(GArray) ran = list_threads(log, guest_cpu);
    const Ran *best = NULL;

    for (guint i = 0; i < ran->len; i++) {
        const Ran *one = &g_array_index(ran, Ran, i);

        if (!best || one->samples >= best->samples) {
            best = one;
        }
    }
    if (!best) {
        set_no_vcpu(guest_cpu, error);
        return NULL;
    }
    return best->vcpu;
}

GArray *tcs_guest_threads(const TcsLog *log, gint64 guest_cpu, GError **error)
{
    g_autoptr(GArray) ran = list_threads(log, guest_cpu);
    GArray *threads;

    if (ran->len == 0) {
        set_no_vcpu(guest_cpu, error);
        return NULL;
    }
    threads = g_array_new(FALSE, FALSE, sizeof(int));
    for (guint i = 0; i < ran->len; i++) {
        const int thread = (int)g_array_index(ran, Ran, i).thread_id;

        g_array_append_val(threads, thread);
    }
    return threads;
}

int tcs_guest_join_windows(const TcsLog *log, gint64 guest_cpu,
                           TcsVmWindows *windows, GError **error)
{
    g_autoptr(GArray) threads = tcs_guest_threads(log, guest_cpu, error);
    /* No thread has a negative number. */
    const int joined = -1 - (int)guest_cpu;

    if (!threads) {
        return 0;
    }
    if (threads->len == 1) {
        return g_array_index(threads, int, 0);
    }
    tcs_vm_windows_join(windows, joined, (const int *)(void *)threads->data,
                        threads->len);
    return joined;
}
