/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See libvirt-open.h.
 */
#include "libvirt-open.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json-util.h"
#include "libvirt-calls.h"

#define MAX_SHOWN 400

/*
 * Our own deadlines give up on a call; this frees the thread that is left in
 * it. Longer than any pause of a busy libvirtd.
 */
#define KEEPALIVE_S     5
#define KEEPALIVE_COUNT 5

/* libvirt would print every error to stderr. */
static void be_quiet(void *user_data, virErrorPtr error)
{
}

/*
 * Keepalives are sent and answered from libvirt's event loop, whose sources are
 * in GLib's default context: the program's main loop runs them along. Not a
 * thread with virEventRunDefaultImpl(): that would run the program's own
 * callbacks as well, beside whatever the main thread does then.
 */
static gpointer set_up(gpointer data)
{
    tcs_libvirt.virSetErrorFunc(NULL, be_quiet);
    if (tcs_libvirt.virInitialize() == 0) {
        tcs_libvirt.virEventRegisterDefaultImpl();
    }
    return NULL;
}

char *tcs_libvirt_last_message(void)
{
    const char *message = tcs_libvirt.virGetLastErrorMessage();

    return tcs_printable(message, strlen(message), MAX_SHOWN);
}

gboolean tcs_libvirt_set_error(GError **error, const char *uri,
                               const char *format, ...)
{
    g_autofree char *message = tcs_libvirt_last_message();
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                "%s%s%s%s: %s; check that libvirtd (or virtqemud) runs there "
                "and answers",
                uri ? "libvirt at " : "", uri ? uri : "", uri ? ": " : "", what,
                message);
    return FALSE;
}

const char *tcs_libvirt_session_hint(virConnectPtr connection)
{
    char *uri = tcs_libvirt.virConnectGetURI(connection);
    gboolean is_session = FALSE;

    if (uri) {
        uri[strcspn(uri, "?")] = '\0';
        is_session = g_str_has_suffix(uri, "/session");
        free(uri);
    }
    return is_session ? ". This is a user's own libvirt; for the system's add "
                        "--connect qemu:///system"
                      : "";
}

void tcs_libvirt_set_absent(GError **error, const char *uris, const char *virsh,
                            const char *name, const char *hint)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                "libvirt%s%s has no domain %s; '%s list --all' shows those it "
                "has%s",
                uris ? " at " : "", uris ? uris : "", name, virsh, hint);
}

static gboolean is_qemu(virConnectPtr connection, const char *uri,
                        GError **error)
{
    const char *type = tcs_libvirt.virConnectGetType(connection);

    if (type && strcmp(type, "QEMU") == 0) {
        return TRUE;
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                "libvirt%s%s is for '%s'; QEMU's domains are at URIs like "
                "qemu:///system: name one with --connect",
                uri ? " at " : "'s default connection", uri ? uri : "",
                type ? type : "?");
    return FALSE;
}

virConnectPtr tcs_libvirt_open(const char *uri, GError **error)
{
    static GOnce once = G_ONCE_INIT;
    virConnectPtr connection;

    if (!tcs_libvirt_load(error)) {
        return NULL;
    }
    g_once(&once, set_up, NULL);
    connection = tcs_libvirt.virConnectOpen(uri);
    if (!connection) {
        g_autofree char *message = tcs_libvirt_last_message();

        g_set_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE,
                    "cannot connect to libvirt%s%s: %s; check that libvirtd "
                    "(or virtqemud) runs there, that this user may use it, and "
                    "the URI (--connect)",
                    uri ? " at " : "", uri ? uri : "", message);
        return NULL;
    }
    /* Fails on a daemon without it, which is no reason to stop. */
    tcs_libvirt.virConnectSetKeepAlive(connection, KEEPALIVE_S,
                                       KEEPALIVE_COUNT);
    if (!is_qemu(connection, uri, error)) {
        tcs_libvirt.virConnectClose(connection);
        return NULL;
    }
    return connection;
}

char *tcs_libvirt_virsh(const char *uri)
{
    return uri ? g_strdup_printf("virsh -c %s", uri) : g_strdup("virsh");
}
