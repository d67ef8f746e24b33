/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 guests under KVM. The offset comes from the vCPU's device attribute
 * (Linux 5.16 on), else from the guest's TSC read between two host counter
 * reads. The ratio comes from the proposed attribute KVM_VCPU_TSC_SCALE where
 * a kernel has it, else it is recomputed as KVM computed it. Whatever was
 * found is checked against the guest's TSC before it is reported.
 */
#include "backend.h"

#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clockread/counter.h"
#include "clockread/posix-clock.h"
#include "offset-span.h"

#define MSR_IA32_TSC    0x10
#define SHIFT_VMX       48
#define SHIFT_SVM       32
#define MSR_SAMPLES     16
#define CPUID_1_ECX_VMX (1u << 5)

/* Proposed for Linux; absent from its headers. */
#define KVM_VCPU_TSC_SCALE_PROPOSED 1
struct kvm_vcpu_tsc_scale_proposed {
    uint64_t tsc_ratio;
    uint64_t tsc_frac_bits;
};

/* KVM's default for kvm.tsc_tolerance_ppm. */
#define TSC_TOLERANCE_PPM_DEFAULT 250

/*
 * How far the frequency that the kernel calibrated may be off the one of
 * mono_raw. They are the same where the TSC is the clocksource.
 */
#define CALIBRATION_PPM 50

/*
 * From when the plugin was loaded. With a later reading it gives the host
 * counter's frequency on kernels that do not tell it: good enough to decide
 * whether a guest is scaled, never to compute a ratio.
 */
static struct tcs_clock_sample start;

static bool read_mono_raw(struct tcs_clock_sample *ret_sample)
{
    return tcs_posix_clock_read(tcs_posix_clock_find("mono_raw"),
                                TCS_CLOCK_SAMPLES_DEFAULT, ret_sample) == 0;
}

static void kvm_prepare(void)
{
    read_mono_raw(&start);
}

static bool kvm_is_active(void)
{
    return &kvm_allowed && kvm_allowed && &kvm_state && kvm_vm_ioctl &&
           kvm_vcpu_ioctl;
}

/* The first line of a sysfs file into buf; false where it cannot be read. */
static bool read_line(const char *path, char *buf, size_t size)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(buf, (int)size, file);

    if (file) {
        fclose(file);
    }
    return ok;
}

/* Whether a space-separated list has a word. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += length) {
        if ((at == list || at[-1] == ' ') && strchr(" \n", at[length])) {
            return true;
        }
    }
    return false;
}

/*
 * A host that does not trust its TSC rewrites every vCPU's offset at each
 * load. KVM's master clock flag proves trust; without it (vCPUs may merely be
 * out of step) the kernel's list of clocksources decides.
 */
static void judge_host_tsc(bool master_clock, struct tcs_vm_report *vm)
{
    char list[256];

    if (master_clock) {
        return;
    }
    if (!read_line("/sys/devices/system/clocksource/clocksource0/"
                   "available_clocksource",
                   list, sizeof(list))) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "cannot tell whether the host trusts its TSC: no master "
                 "clock, and available_clocksource is unreadable");
    } else if (!has_word(list, "tsc")) {
        snprintf(vm->unstable, sizeof(vm->unstable),
                 "the host kernel found its TSC unstable; KVM changes the "
                 "offset whenever a vCPU is loaded");
    }
}

static void kvm_read_vm(struct tcs_vm_report *vm)
{
    struct kvm_clock_data clock = { 0 };
    bool has_clock = kvm_vm_ioctl(kvm_state, KVM_GET_CLOCK, &clock) == 0;

    judge_host_tsc(has_clock && (clock.flags & KVM_CLOCK_TSC_STABLE), vm);
    if (has_clock && (clock.flags & KVM_CLOCK_HOST_TSC) &&
        (clock.flags & KVM_CLOCK_REALTIME)) {
        vm->has_kvmclock = true;
        vm->kvmclock_ns = clock.clock;
        vm->kvmclock_host_counter = clock.host_tsc;
        vm->kvmclock_realtime_ns = clock.realtime;
    }

    /*
     * source=kvm-msr stands for a kernel from before the attribute. Its
     * capability, KVM_CAP_VM_TSC_CONTROL, is not asked for: the ioctl works
     * where the CPU cannot scale, too, but the capability is absent there.
     */
    if (vm->source != TCS_SOURCE_KVM_MSR) {
        int khz = kvm_vm_ioctl(kvm_state, KVM_GET_TSC_KHZ, NULL);

        vm->host_khz = khz > 0 ? (uint32_t)khz : 0;
    }
}

static bool read_guest_tsc(CPUState *cpu, uint64_t *ret_before,
                           uint64_t *ret_guest, uint64_t *ret_after)
{
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entry;
    } msrs = { .header.nmsrs = 1, .entry.index = MSR_IA32_TSC };

    *ret_before = tcs_counter_before();
    int done = kvm_vcpu_ioctl(cpu, KVM_GET_MSRS, &msrs);
    *ret_after = tcs_counter_after();
    *ret_guest = msrs.entry.data;
    return done == 1;
}

/* Fraction bits of the hardware's multiplier. */
static unsigned int hardware_shift(void)
{
    unsigned int eax, ebx, ecx = 0, edx;

    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_1_ECX_VMX)) {
        return SHIFT_VMX;
    }
    return SHIFT_SVM;
}

static uint32_t tolerance_ppm(void)
{
    char line[32];

    if (read_line("/sys/module/kvm/parameters/tsc_tolerance_ppm", line,
                  sizeof(line))) {
        return (uint32_t)strtoul(line, NULL, 10);
    }
    return TSC_TOLERANCE_PPM_DEFAULT;
}

/* 0: within KVM's tolerance of the host; else the sign of guest - host. */
static int compare_khz(uint32_t guest_khz, uint32_t host_khz)
{
    /* As kvm_set_tsc_khz() computes its thresholds. */
    uint64_t ppm = tolerance_ppm();
    uint64_t low = (uint64_t)host_khz * (1000000 - ppm) / 1000000;
    uint64_t high = (uint64_t)host_khz * (1000000 + ppm) / 1000000;

    return (guest_khz > high) - (guest_khz < low);
}

/* What the kernel holds for the host's frequency lies in here. */
struct khz_span {
    uint32_t lo, hi;
};

/*
 * The host's frequency measured since the plugin was loaded; false until enough
 * time has passed for that to say something.
 */
static bool measure_host_khz(struct khz_span *ret_khz)
{
    struct tcs_clock_sample now;
    const int64_t enough_ns = 100000000;

    if (!start.counter_after || !read_mono_raw(&now) ||
        now.value_ns - start.value_ns < enough_ns) {
        return false;
    }
    uint64_t ns = (uint64_t)(now.value_ns - start.value_ns);
    uint64_t ns_error = (uint64_t)start.resolution_ns + now.resolution_ns;
    tcs_u128 lo = now.counter_before - start.counter_after;
    tcs_u128 hi = now.counter_after - start.counter_before;

    if (ns_error >= ns) {
        return false;
    }
    lo = lo * (1000000 - CALIBRATION_PPM) / (ns + ns_error);
    hi = hi * (1000000 + CALIBRATION_PPM) / (ns - ns_error) + 1;
    if (lo == 0 || hi > UINT32_MAX) {
        return false;
    }
    *ret_khz = (struct khz_span){ (uint32_t)lo, (uint32_t)hi };
    return true;
}

struct ratio {
    uint64_t multiplier;
    unsigned int shift;
    const char *source;
};

static struct ratio unity_ratio(void)
{
    unsigned int shift = hardware_shift();

    return (struct ratio){ (uint64_t)1 << shift, shift, "unity" };
}

static bool get_attr(CPUState *cpu, uint64_t attr_id, void *ret_value)
{
    struct kvm_device_attr attr = {
        .group = KVM_VCPU_TSC_CTRL,
        .attr = attr_id,
        .addr = (uintptr_t)ret_value,
    };

    return kvm_vcpu_ioctl(cpu, KVM_HAS_DEVICE_ATTR, &attr) == 0 &&
           kvm_vcpu_ioctl(cpu, KVM_GET_DEVICE_ATTR, &attr) == 0;
}

/*
 * Finds the ratio, or writes vcpu->reason and returns false. A catch-up mode
 * vCPU has a ratio (unity) and a reason.
 */
static bool find_ratio(CPUState *cpu, const struct tcs_vm_report *vm,
                       struct tcs_vcpu_report *vcpu, struct ratio *ret_ratio)
{
    struct kvm_vcpu_tsc_scale_proposed scale;

    if (vm->source != TCS_SOURCE_KVM_MSR &&
        get_attr(cpu, KVM_VCPU_TSC_SCALE_PROPOSED, &scale)) {
        *ret_ratio = (struct ratio){
            .multiplier = scale.tsc_ratio,
            .shift = (unsigned int)scale.tsc_frac_bits,
            .source = "kvm-device-attr",
        };
        return true;
    }

    struct khz_span host_khz = { vm->host_khz, vm->host_khz };

    if (!vcpu->guest_khz || (!vm->host_khz && !measure_host_khz(&host_khz))) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "the ratio is not known yet: this kernel does not tell its "
                 "TSC frequency; ask again in a moment");
        return false;
    }

    int order = compare_khz(vcpu->guest_khz, host_khz.lo);

    if (order != compare_khz(vcpu->guest_khz, host_khz.hi)) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "cannot tell whether the guest's TSC (%u kHz) is scaled: this "
                 "kernel does not tell the host's (%u to %u kHz)",
                 vcpu->guest_khz, host_khz.lo, host_khz.hi);
        return false;
    }
    *ret_ratio = unity_ratio();
    if (order == 0) {
        return true;
    }
    if (kvm_vm_ioctl(kvm_state, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) <=
        0) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "catch-up mode: the guest's TSC (%u kHz) differs from the "
                 "host's (%u kHz) and the CPU cannot scale it",
                 vcpu->guest_khz, host_khz.lo);
        return true;
    }
    if (!vm->host_khz) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "the guest's TSC is scaled and this kernel does not tell "
                 "the host's frequency (KVM_CAP_VM_TSC_CONTROL, Linux 5.18)");
        return false;
    }
    /* kvm_set_tsc_khz(): mul_u64_u32_div(1 << frac_bits, user, tsc_khz) */
    ret_ratio->multiplier =
        (uint64_t)(((tcs_u128)vcpu->guest_khz << ret_ratio->shift) /
                   vm->host_khz);
    ret_ratio->source = "kvm-khz";
    return true;
}

/*
 * Offset from guest TSC reads: guest = scaled(host) + offset for some host in
 * each bracket. Returns false where a read failed or the reads contradict each
 * other.
 */
static bool measure_offset(CPUState *cpu, const struct ratio *ratio,
                           struct tcs_counter_map *ret_map)
{
    struct tcs_offset_span span = { 0 };
    struct tcs_counter_map zero;

    if (tcs_counter_map_init(&zero, ratio->multiplier, ratio->shift, 0, 0) <
        0) {
        return false;
    }
    for (int i = 0; i < MSR_SAMPLES; i++) {
        uint64_t before, guest, after;

        if (!read_guest_tsc(cpu, &before, &guest, &after)) {
            return false;
        }
        struct tcs_guest_ticks first =
            tcs_counter_map_to_guest(&zero, (struct tcs_host_ticks){ before });
        struct tcs_guest_ticks last =
            tcs_counter_map_to_guest(&zero, (struct tcs_host_ticks){ after });

        tcs_offset_span_add(&span, first.ticks, guest, last.ticks);
    }
    return tcs_offset_span_to_map(&span, ratio->multiplier, ratio->shift,
                                  ret_map);
}

/* Whether one guest TSC read agrees with the map. */
static bool guest_agrees(CPUState *cpu, const struct tcs_counter_map *map)
{
    uint64_t before, guest, after;

    if (!read_guest_tsc(cpu, &before, &guest, &after)) {
        return false;
    }
    uint64_t first =
        tcs_counter_map_to_guest(map, (struct tcs_host_ticks){ before }).ticks;
    uint64_t last =
        tcs_counter_map_to_guest(map, (struct tcs_host_ticks){ after }).ticks;

    return guest - first <= last - first;
}

static void kvm_read_vcpu(CPUState *cpu, const struct tcs_vm_report *vm,
                          struct tcs_vcpu_report *vcpu)
{
    struct ratio ratio;
    int64_t offset;

    vcpu->counter_before = tcs_counter_before();

    int khz = kvm_vcpu_ioctl(cpu, KVM_GET_TSC_KHZ, NULL);

    vcpu->guest_khz = khz > 0 ? (uint32_t)khz : 0;
    if (!find_ratio(cpu, vm, vcpu, &ratio)) {
        return;
    }
    vcpu->ratio_source = ratio.source;

    if (vm->source != TCS_SOURCE_KVM_MSR &&
        get_attr(cpu, KVM_VCPU_TSC_OFFSET, &offset)) {
        vcpu->source = "kvm-device-attr";
        vcpu->has_map = tcs_counter_map_init(&vcpu->map, ratio.multiplier,
                                             ratio.shift, offset, 0) == 0;
        /* Under an unstable host TSC disagreement is expected and told. */
        if (!vm->unstable[0] && !vcpu->reason[0] &&
            (!vcpu->has_map || !guest_agrees(cpu, &vcpu->map))) {
            vcpu->has_map = false;
            snprintf(vcpu->reason, sizeof(vcpu->reason),
                     "the guest's TSC contradicts KVM's offset and ratio "
                     "(a confidential guest, or an unstable host TSC)");
        }
    } else if (vm->source == TCS_SOURCE_KVM_DEVICE_ATTR) {
        snprintf(vcpu->reason, sizeof(vcpu->reason),
                 "this kernel has no KVM_VCPU_TSC_OFFSET (Linux 5.16), and "
                 "source=kvm-device-attr excludes the fallback");
    } else {
        vcpu->source = "kvm-msr";
        vcpu->has_map = measure_offset(cpu, &ratio, &vcpu->map);
        if (!vcpu->has_map && !vcpu->reason[0]) {
            snprintf(vcpu->reason, sizeof(vcpu->reason),
                     "the guest's TSC cannot be read, or moves against the "
                     "host's while it is read");
        }
    }
    vcpu->counter_after = tcs_counter_after();
}

static const char *const targets[] = { "x86_64", "i386", NULL };

const struct tcs_backend tcs_backend_kvm_x86 = {
    .targets = targets,
    .prepare = kvm_prepare,
    .is_active = kvm_is_active,
    .read_vm = kvm_read_vm,
    .read_vcpu = kvm_read_vcpu,
};
