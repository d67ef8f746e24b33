/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See each-vm.h.
 */
#include "each-vm.h"

#include <stdio.h>

#include "error.h"

int tcs_each_vm(const TcsTargetOptions *target,
                const TcsSessionOptions *session, TcsDoVm do_vm,
                gpointer user_data, GError **error)
{
    g_autoptr(GPtrArray) sessions =
        tcs_target_options_sessions(target, session, error);
    guint failed = 0;
    int status = 0;

    if (!sessions) {
        return tcs_error_exit_status(*error);
    }
    if (sessions->len == 1) {
        return do_vm(g_ptr_array_index(sessions, 0), user_data, error);
    }
    for (guint i = 0; i < sessions->len; i++) {
        TcsSession *vm = g_ptr_array_index(sessions, i);
        g_autoptr(GError) failure = NULL;
        int result;

        if (i > 0) {
            putchar('\n');
        }
        result = do_vm(vm, user_data, &failure);

        /* Results and errors of a VM stand together, however they are read. */
        fflush(stdout);
        if (failure) {
            fprintf(stderr, "%s: %s: %s\n", g_get_prgname(), tcs_session_vm(vm),
                    failure->message);
        }
        failed += result != 0;
        status = status ? status : result;
    }
    if (failed) {
        g_set_error(error, TCS_ERROR, status, "%u of %u VMs failed, see above",
                    failed, sessions->len);
    }
    return status;
}
