/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See boot-id.h.
 */
#include "boot-id.h"

#include <glib.h>

#define PATH "/proc/sys/kernel/random/boot_id"

const char *tga_boot_id(void)
{
    static char *id;

    if (id == NULL && (!g_file_get_contents(PATH, &id, NULL, NULL) ||
                       *g_strstrip(id) == '\0')) {
        g_clear_pointer(&id, g_free);
        return "unknown";
    }
    return id;
}
