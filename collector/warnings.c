/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See warnings.h.
 */
#include "warnings.h"

#include <stdio.h>

void tcs_warnings_print(const char *path, const GPtrArray *warnings)
{
    for (guint i = 0; i < warnings->len; i++) {
        fprintf(stderr, "%s: warning: %s: %s\n", g_get_prgname(), path,
                (char *)g_ptr_array_index(warnings, i));
    }
}
