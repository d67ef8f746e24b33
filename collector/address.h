/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of monitors and agents as users write them. Parsing is strict;
 * every failure is TCS_ERROR_USAGE and shows the accepted forms.
 */
#ifndef COLLECTOR_ADDRESS_H
#define COLLECTOR_ADDRESS_H

#include <glib.h>

G_BEGIN_DECLS

#define TCS_VSOCK_DEFAULT_PORT 18230

typedef enum {
    TCS_ADDRESS_UNIX,
    TCS_ADDRESS_TCP,
    TCS_ADDRESS_VSOCK,
} TcsAddressKind;

typedef struct {
    TcsAddressKind kind;
    gboolean qga; /* agents: written qga:PATH; a stock qemu-ga */
    char *path;   /* UNIX */
    char *host;   /* TCP; without brackets */
    guint32 cid;  /* VSOCK */
    guint32 port; /* TCP, VSOCK */
    char *text;   /* canonical form with its prefix, for messages */
} TcsAddress;

TcsAddress *tcs_address_parse_qmp(const char *text, GError **error);
TcsAddress *tcs_address_parse_agent(const char *text, GError **error);
void tcs_address_free(TcsAddress *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsAddress, tcs_address_free)

G_END_DECLS

#endif
