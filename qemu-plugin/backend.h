/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a counter backend fills: one file per way of obtaining a vCPU's counter
 * mapping, and one line in backend.c. Knows nothing of JSON.
 */
#ifndef QEMU_PLUGIN_BACKEND_H
#define QEMU_PLUGIN_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "clocksync/counter-map.h"
#include "qemu-symbols.h"

/* Which source the user wants (plugin option source=). */
enum tcs_source {
    TCS_SOURCE_AUTO,
    TCS_SOURCE_KVM_DEVICE_ATTR,
    TCS_SOURCE_KVM_MSR,
};

/* What is known of the VM as a whole. Zero where unknown. */
struct tcs_vm_report {
    const struct tcs_backend *backend; /* NULL where no backend is active */
    enum tcs_source source;
    bool running;
    uint32_t host_khz;
    bool has_kvmclock;
    uint64_t kvmclock_ns;
    uint64_t kvmclock_host_counter;
    uint64_t kvmclock_realtime_ns;
    /* Why no vCPU's mapping can be stable; empty where nothing speaks so. */
    char unstable[160];
};

/* One vCPU's answer. Zero and false where unknown. */
struct tcs_vcpu_report {
    int cpu_index;
    bool has_arch_id;
    uint64_t arch_id;
    bool hotplugged; /* after the machine was made */
    int thread_id;
    bool has_map;
    struct tcs_counter_map map;
    uint32_t guest_khz;
    const char *source;
    const char *ratio_source;
    uint64_t counter_before;
    uint64_t counter_after;
    char reason[160]; /* why not stable; empty where stable */
};

struct tcs_backend {
    /* QEMU's names of the targets whose guests it knows; NULL at the end. */
    const char *const *targets;
    /* The guest's counter stands still while the VM is stopped. */
    bool stops_with_vm;
    /* When the plugin is loaded; may be NULL. */
    void (*prepare)(void);
    bool (*is_active)(void);
    /* On the main thread, with the big QEMU lock. May be called often. */
    void (*read_vm)(struct tcs_vm_report *vm);
    /*
     * On the vCPU's own thread, because a vCPU ioctl from elsewhere waits for
     * as long as the vCPU runs. Fills has_map to ratio_source, and reason.
     */
    void (*read_vcpu)(CPUState *cpu, const struct tcs_vm_report *vm,
                      struct tcs_vcpu_report *vcpu);
};

extern const struct tcs_backend tcs_backend_kvm_arm64;
extern const struct tcs_backend tcs_backend_kvm_ppc64;
extern const struct tcs_backend tcs_backend_kvm_riscv64;
extern const struct tcs_backend tcs_backend_kvm_x86;
extern const struct tcs_backend tcs_backend_tcg_virtual;
extern const struct tcs_backend tcs_backend_tcg_x86;

/*
 * Chooses the backends that know the guests of a target, by QEMU's name of it
 * (NULL: all that are there), and lets them prepare. Once, when the plugin is
 * loaded. False where there is none.
 */
bool tcs_backends_prepare(const char *target);

/* The backend of the running accelerator, or NULL. */
const struct tcs_backend *tcs_backend_active(void);

/* The VM now, seen by the backend of the running accelerator. */
void tcs_backend_read_vm(enum tcs_source source, struct tcs_vm_report *ret_vm);

#endif
