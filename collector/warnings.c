/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See warnings.h.
 */
#include "warnings.h"

#include <stdio.h>

#include "log.h"

void tcs_warnings_print(const char *path, const GPtrArray *warnings)
{
    for (guint i = 0; i < warnings->len; i++) {
        fprintf(stderr, "%s: warning: %s: %s\n", g_get_prgname(), path,
                (char *)g_ptr_array_index(warnings, i));
    }
}

TcsModel *tcs_warnings_load_model(const char *path, GError **error)
{
    g_autoptr(TcsLog) log = NULL;
    TcsModel *model = tcs_model_load(path, &log, error);

    if (log) {
        tcs_warnings_print(path, log->warnings);
    }
    if (model) {
        tcs_warnings_print(path, tcs_model_warnings(model));
    }
    return model;
}
