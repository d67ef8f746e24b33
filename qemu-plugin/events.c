/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See events.h. On the main thread throughout.
 */
#include "events.h"

#include <stddef.h>
#include <string.h>

#include "vcpus.h"

/* What the VM was before it ran (again), and what that means for counters. */
static const struct {
    const char *state;
    const char *cause;
} resumed_from[] = {
    { "prelaunch", "start" },
    { "inmigrate", "migration" },
    { "restore-vm", "loadvm" },
};

static enum tcs_source source;
static const char *resume_cause = "cont";

static void observe(const char *cause)
{
    struct tcs_vm_report vm;

    tcs_backend_read_vm(source, &vm);
    if (vm.backend) {
        tcs_vcpus_observe(&vm, cause);
    }
}

/* A cause for a QAPI RunState. */
static const char *cause_of(int state)
{
    const char *name = qapi_enum_lookup(&RunState_lookup, state);

    for (size_t i = 0; i < sizeof(resumed_from) / sizeof(resumed_from[0]);
         i++) {
        if (strcmp(resumed_from[i].state, name) == 0) {
            return resumed_from[i].cause;
        }
    }
    return "cont";
}

static void on_state(void *opaque, bool running, int state)
{
    if (running) {
        /* Before the vCPUs run: each reads its mapping first. */
        observe(resume_cause);
    } else {
        resume_cause = cause_of(state);
    }
}

static void after_reset(void *opaque)
{
    observe("reset");
}

/* Devices are being reset; the vCPUs' counters are set after all of them. */
static void on_reset(void *opaque)
{
    aio_bh_schedule_oneshot_full(qemu_get_aio_context(), after_reset, NULL,
                                 "trace-clock-sync", NULL);
}

void tcs_events_watch(enum tcs_source wanted)
{
    const int states_max = 64;

    source = wanted;
    if (!qemu_add_vm_change_state_handler || !qemu_register_reset ||
        !aio_bh_schedule_oneshot_full || !qemu_get_aio_context ||
        !qapi_enum_lookup || !&RunState_lookup || !runstate_check) {
        return;
    }
    for (int state = 0; state < states_max; state++) {
        if (runstate_check(state)) {
            resume_cause = cause_of(state);
            break;
        }
    }
    qemu_add_vm_change_state_handler(on_state, NULL);
    qemu_register_reset(on_reset, NULL);
}
