/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of methods.
 */
#include "method.h"

#include "error.h"

/* QEMU is asked in any case; its mappings are all that is needed. */
const TcsMethod tcs_method_hypervisor = { .name = "hypervisor" };

const TcsMethod *const tcs_methods[] = {
    &tcs_method_hypervisor,
    &tcs_method_ptp_kvm,
    &tcs_method_exchange,
    &tcs_method_realtime,
    NULL,
};

const TcsMethod *tcs_method_find(const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (guint i = 0; tcs_methods[i]; i++) {
        if (g_str_equal(tcs_methods[i]->name, name)) {
            return tcs_methods[i];
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               tcs_methods[i]->name);
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "there is no method '%s'; there are %s", name, known->str);
    return NULL;
}
