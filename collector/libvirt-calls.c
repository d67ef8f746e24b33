/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See libvirt-calls.h.
 */
#include "libvirt-calls.h"

#include <dlfcn.h>

#include "error.h"

/* With libvirt.so.0, which it needs: what is looked for in it is found there.
 */
#define LIBRARY "libvirt-qemu.so.0"

TcsLibvirtCalls tcs_libvirt;

/* NULL, or what the dynamic linker says is wrong, as text. */
static gpointer load(gpointer data)
{
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

    if (!library) {
        return g_strdup(dlerror());
    }
#define LOOK_UP(name)                                                      \
    if (!(tcs_libvirt.name = (__typeof__(name) *)dlsym(library, #name))) { \
        return g_strdup(dlerror());                                        \
    }
    TCS_LIBVIRT_CALLS(LOOK_UP)
#undef LOOK_UP
    return NULL;
}

gboolean tcs_libvirt_load(GError **error)
{
    static GOnce once = G_ONCE_INIT;
    const char *failure = g_once(&once, load, NULL);

    if (!failure) {
        return TRUE;
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                "libvirt's library cannot be used here: %s; install it "
                "(Debian's package libvirt0), or name the VM's sockets with "
                "--qmp and --agent",
                failure);
    return FALSE;
}
