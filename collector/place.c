/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See place.h.
 */
#include "place.h"

#include <errno.h>

#include "clockread/counter-kind.h"
#include "error.h"

static const TcsVcpu *find_by_arch_id(const TcsQmpReply *reply, gint64 arch_id)
{
    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (vcpu->has_arch_id && vcpu->arch_id == arch_id) {
            return vcpu;
        }
    }
    return NULL;
}

/*
 * The vCPU whose mapping is known best where it does not matter which one is
 * meant, because all have one and the same mapping; else NULL.
 */
static const TcsVcpu *find_common(const TcsQmpReply *reply)
{
    const struct tcs_counter_kind *kind = tcs_counter_kind_find(reply->counter);
    /* Else bounds that overlap do not make two mappings the same. */
    gboolean may_be_bound = kind && kind->is_vm_wide;
    const TcsVcpu *tightest = NULL;

    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        if (!vcpu->has_map || !vcpu->stable ||
            (vcpu->map.offset_bound != 0 && !may_be_bound) ||
            (tightest &&
             !tcs_counter_map_may_be_same(&vcpu->map, &tightest->map))) {
            return NULL;
        }
        if (!tightest || vcpu->map.offset_bound < tightest->map.offset_bound) {
            tightest = vcpu;
        }
    }
    return tightest;
}

const TcsVcpu *tcs_place_vcpu(const TcsSample *sample, gint64 guest_cpu,
                              GError **error)
{
    const TcsGuestCpu *cpu = tcs_guest_reply_find_cpu(sample->guest, guest_cpu);
    gboolean is_named = cpu && cpu->has_arch_id;
    const TcsVcpu *vcpu = is_named
                              ? find_by_arch_id(sample->qmp_after, cpu->arch_id)
                              : find_common(sample->qmp_after);

    if (!vcpu && is_named) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "guest CPU %" G_GINT64_FORMAT
                    " has hardware id %" G_GINT64_FORMAT
                    ", which no vCPU has; check that --agent and --qmp are of "
                    "the same VM",
                    guest_cpu, cpu->arch_id);
        return NULL;
    }
    if (!vcpu) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "guest CPU %" G_GINT64_FORMAT
                    " cannot be told among the vCPUs: the guest gives no "
                    "hardware id for it, and their mappings are not all known "
                    "exactly, stable and the same; check also that --agent and "
                    "--qmp are of the same VM",
                    guest_cpu);
        return NULL;
    }
    if (!vcpu->has_map || !vcpu->stable) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "vCPU %" G_GINT64_FORMAT " is not stable: %s",
                    vcpu->cpu_index, vcpu->reason);
        return NULL;
    }
    return vcpu;
}

/* Whether a guest counter value can have been read inside the window. */
static gboolean is_possible(const TcsSample *sample, const TcsVcpu *vcpu,
                            struct tcs_guest_ticks counter,
                            struct tcs_host_ticks near)
{
    struct tcs_host_span at;
    int ret = tcs_counter_map_to_host(&vcpu->map, counter, counter, near, &at);

    return ret == 0 && at.hi.ticks >= sample->window.lo.ticks &&
           at.lo.ticks <= sample->window.hi.ticks;
}

/*
 * In a guest that makes its clocks from the counter a program reads them with
 * the counter of the CPU it is on and the parameters of the first CPU: the vDSO
 * has but one page. Where the two CPUs' counters differ what it reads is no
 * clock of the kernel's; seen off by milliseconds (docs/vm-clocks.md).
 */
static gboolean check_first_cpu(const TcsSample *sample,
                                const TcsGuestClock *clock, const TcsVcpu *vcpu,
                                GError **error)
{
    static const char *const of_counter[] = { "kvm-clock", "tsc", NULL };
    const GArray *vcpus = sample->qmp_after->vcpus;
    const TcsVcpu *first = &g_array_index(vcpus, TcsVcpu, 0);

    if (!clock->is_of_program ||
        !g_strv_contains(of_counter, sample->guest->clocksource) ||
        first == vcpu ||
        (first->cpu_index == 0 && first->has_map &&
         tcs_counter_map_may_be_same(&first->map, &vcpu->map))) {
        return TRUE;
    }
    g_set_error(
        error, TCS_ERROR, TCS_ERROR_REFUSED,
        "it was read on guest CPU %" G_GINT64_FORMAT
        ", whose counter differs from the first CPU's, so that programs "
        "there read the guest's clocks wrongly; let the agent run on "
        "CPU 0",
        clock->cpu);
    return FALSE;
}

static gboolean place_by_map(const TcsSample *sample,
                             const TcsGuestClock *clock,
                             struct tcs_host_reading *ret_reading,
                             const TcsVcpu **ret_vcpu,
                             gboolean *ret_contradiction, GError **error)
{
    const TcsVcpu *vcpu = tcs_place_vcpu(sample, clock->cpu, error);
    struct tcs_host_ticks near = {
        sample->window.lo.ticks +
            (sample->window.hi.ticks - sample->window.lo.ticks) / 2,
    };
    struct tcs_host_reading reading;

    if (!vcpu || !check_first_cpu(sample, clock, vcpu, error)) {
        return FALSE;
    }
    if (!is_possible(sample, vcpu, clock->reading.before, near) ||
        !is_possible(sample, vcpu, clock->reading.after, near) ||
        tcs_guest_reading_on_host(&vcpu->map, &clock->reading, near, &reading) <
            0) {
        *ret_contradiction = TRUE;
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "the guest says its counter was %" G_GUINT64_FORMAT
            " to %" G_GUINT64_FORMAT " on CPU %" G_GINT64_FORMAT
            ", which the hypervisor excludes for the time in which it "
            "was asked (host counter %" G_GUINT64_FORMAT
            " to %" G_GUINT64_FORMAT "); do not trust this guest's clocks",
            clock->reading.before.ticks, clock->reading.after.ticks, clock->cpu,
            sample->window.lo.ticks, sample->window.hi.ticks);
        return FALSE;
    }
    *ret_reading = reading;
    *ret_vcpu = vcpu;
    return TRUE;
}

static gboolean place_by_line(const TcsSample *sample,
                              const TcsGuestClock *clock,
                              struct tcs_host_reading *ret_reading,
                              gboolean *ret_contradiction, GError **error)
{
    const struct tcs_counter_line *line =
        tcs_evidence_find_line(sample->placement, clock->cpu, error);
    struct tcs_host_span when;
    int ret;

    if (!line) {
        return FALSE;
    }
    ret = tcs_counter_line_when(line, clock->reading.before,
                                clock->reading.after, &when);
    if (ret == -ENODATA) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "too few answers to %s bound the counter of guest CPU "
                    "%" G_GINT64_FORMAT "; try again",
                    sample->placement->method->name, clock->cpu);
        return FALSE;
    }
    if (ret < 0 || when.hi.ticks < sample->window.lo.ticks ||
        when.lo.ticks > sample->window.hi.ticks) {
        *ret_contradiction = TRUE;
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "the guest says its counter was %" G_GUINT64_FORMAT
            " to %" G_GUINT64_FORMAT " on CPU %" G_GINT64_FORMAT
            ", which its answers to %s exclude for the time in which it was "
            "asked (host counter %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
            "); do not trust this guest's clocks",
            clock->reading.before.ticks, clock->reading.after.ticks, clock->cpu,
            sample->placement->method->name, sample->window.lo.ticks,
            sample->window.hi.ticks);
        return FALSE;
    }
    ret_reading->when = when;
    ret_reading->value = clock->reading.value;
    return TRUE;
}

gboolean tcs_place_reading(const TcsSample *sample, const TcsGuestClock *clock,
                           struct tcs_host_reading *ret_reading,
                           const TcsVcpu **ret_vcpu,
                           gboolean *ret_contradiction, GError **error)
{
    *ret_contradiction = FALSE;
    *ret_vcpu = NULL;
    return sample->placement ? place_by_line(sample, clock, ret_reading,
                                             ret_contradiction, error)
                             : place_by_map(sample, clock, ret_reading,
                                            ret_vcpu, ret_contradiction, error);
}
