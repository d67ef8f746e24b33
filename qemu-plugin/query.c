/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See query.h.
 */
#include "query.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "events.h"
#include "reply.h"
#include "vcpus.h"

/* cpu-indices wanted, ascending, without repeats; NULL with an error set. */
static GArray *choose_vcpus(bool given, const intList *wanted, Error **errp)
{
    int limit = tcs_vcpus_limit();
    g_autofree bool *is_wanted = g_new0(bool, limit);
    GArray *indices;

    if (!given) {
        return tcs_vcpus_all();
    }
    for (; wanted; wanted = wanted->next) {
        /* Looked up once each, however often it is listed. */
        if (wanted->value < 0 || wanted->value >= limit ||
            (!is_wanted[wanted->value] &&
             !tcs_vcpu_exists((int)wanted->value))) {
            error_setg(errp,
                       "There is no vCPU with cpu-index %" PRId64
                       "; query-cpus-fast lists them",
                       wanted->value);
            return NULL;
        }
        is_wanted[wanted->value] = true;
    }
    indices = g_array_new(FALSE, FALSE, sizeof(int));
    for (int i = 0; i < limit; i++) {
        if (is_wanted[i]) {
            g_array_append_val(indices, i);
        }
    }
    return indices;
}

/* "kvm" from "kvm-accel". */
static char *accelerator_name(void)
{
    const char *type = object_get_typename((Object *)current_accel());
    const char *suffix = strstr(type, "-accel");

    return g_strndup(type, suffix ? (gsize)(suffix - type) : strlen(type));
}

QDict *tcs_query(enum tcs_source source, bool has_vcpus, const intList *vcpus,
                 Error **errp)
{
    g_autoptr(GArray) indices = choose_vcpus(has_vcpus, vcpus, errp);
    struct tcs_vm_report vm;

    if (!indices) {
        return NULL;
    }

    g_autofree char *accel = accelerator_name();
    g_autofree struct tcs_vcpu_report *reports =
        g_new0(struct tcs_vcpu_report, indices->len);

    tcs_backend_read_vm(source, &vm);
    if (indices->len > 0) {
        if (!vm.backend) {
            error_setg(errp,
                       "query-trace-clock-sync is not supported on this "
                       "target with accelerator '%s'; it knows the counters "
                       "of guests under kvm and tcg",
                       accel);
            return NULL;
        }
        tcs_vcpus_ask(&vm, indices, tcs_events_cause(), reports);
    }
    return tcs_reply_new(accel, &vm, reports, indices->len);
}
