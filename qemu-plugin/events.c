/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See events.h. On the main thread throughout.
 *
 * An event is blamed for what it did alone: mappings are read before it as well
 * as after it, so that what the guest did earlier is not taken for its doing.
 */
#include "events.h"

#include <stddef.h>
#include <string.h>

#include "epochs.h"
#include "vcpus.h"

static enum tcs_source source;
/* What the VM's next start or cont will have done to counters, or NULL. */
static const char *resume_cause;
/* Devices were reset, and mappings have not been read since. */
static bool was_reset;
/* Resets that began loadvm, since the VM ran last. */
static int snapshot_loads;

const char *tcs_events_cause(void)
{
    if (snapshot_loads > 0) {
        return "loadvm";
    }
    if (resume_cause) {
        return resume_cause;
    }
    return was_reset ? "reset" : TCS_CAUSE_UNKNOWN;
}

static void observe(const char *cause)
{
    struct tcs_vm_report vm;

    tcs_backend_read_vm(source, &vm);
    /* A counter that stands still has no mapping to be told of. */
    if (vm.backend && (vm.running || !vm.backend->stops_with_vm)) {
        tcs_vcpus_observe(&vm, cause);
    }
}

/* Whether a QAPI RunState is the one of that name. */
static bool is_state(int state, const char *name)
{
    return strcmp(qapi_enum_lookup(&RunState_lookup, state), name) == 0;
}

static void on_stop(int state)
{
    const struct tcs_backend *backend = tcs_backend_active();
    bool stops = backend && backend->stops_with_vm;

    observe(TCS_CAUSE_UNKNOWN); /* what the guest did while it ran */
    resume_cause = is_state(state, "restore-vm") ? "loadvm"
                   : stops                       ? "cont"
                                                 : NULL;
}

static void on_state(void *opaque, bool running, int state)
{
    if (!running) {
        on_stop(state);
        return;
    }
    /* Before the vCPUs run: each reads its mapping first. */
    observe(tcs_events_cause());
    resume_cause = NULL;
    snapshot_loads = 0;
}

static void after_reset(void *opaque)
{
    if (was_reset) {
        observe(tcs_events_cause());
        was_reset = false;
    }
}

/* Devices are being reset; the vCPUs' counters are set after all of them. */
static void on_any_reset(void *opaque)
{
    if (runstate_is_running()) {
        observe(TCS_CAUSE_UNKNOWN);
    }
    snapshot_loads++;
}

/* The same reset, unless it begins loadvm; called before or after the above. */
static void on_plain_reset(void *opaque)
{
    snapshot_loads--;
    was_reset = true;
    aio_bh_schedule_oneshot_full(qemu_get_aio_context(), after_reset, NULL,
                                 "trace-clock-sync", NULL);
}

void tcs_events_watch(enum tcs_source wanted)
{
    const int states_max = 64;

    source = wanted;
    if (!qemu_add_vm_change_state_handler || !qemu_register_reset ||
        !qemu_register_reset_nosnapshotload || !aio_bh_schedule_oneshot_full ||
        !qemu_get_aio_context || !qapi_enum_lookup || !&RunState_lookup ||
        !runstate_check) {
        return;
    }
    resume_cause = "start";
    for (int state = 0; state < states_max; state++) {
        if (runstate_check(state)) {
            resume_cause = is_state(state, "inmigrate") ? "migration" : "start";
            break;
        }
    }
    qemu_add_vm_change_state_handler(on_state, NULL);
    qemu_register_reset(on_any_reset, NULL);
    qemu_register_reset_nosnapshotload(on_plain_reset, NULL);
}
