/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt's blocking calls, with our errors. Everything here may block for
 * ever: it belongs into a worker's thread. One thread at a time uses a link.
 */
#ifndef COLLECTOR_LIBVIRT_LINK_H
#define COLLECTOR_LIBVIRT_LINK_H

#include <glib.h>

G_BEGIN_DECLS

/* A connection to libvirt and one domain there. */
typedef struct TcsLibvirtLink TcsLibvirtLink;

/* Looked for at each of the URIs (none: libvirt's default); it has to run, at
 * one of them. */
TcsLibvirtLink *tcs_libvirt_link_open(const char *name, char **uris,
                                      GError **error);
void tcs_libvirt_link_free(TcsLibvirtLink *link);

/* The one where the domain runs; NULL: the default. The link's. */
const char *tcs_libvirt_link_uri(const TcsLibvirtLink *link);

/*
 * One command of QEMU's monitor: its whole reply, as JSON text. An answer of
 * another QEMU than the one that ran when the link was opened is
 * TCS_ERROR_UNREACHABLE, as all that is libvirt's failure.
 */
char *tcs_libvirt_monitor(TcsLibvirtLink *link, const char *request,
                          GError **error);

/*
 * The same of the guest's agent. Its own errors are TCS_ERROR_PEER, because
 * libvirt hands on only their text.
 */
char *tcs_libvirt_agent(TcsLibvirtLink *link, const char *request,
                        gint timeout_s, GError **error);

/* Name and URI of a domain. */
typedef struct {
    char *name;
    char *uri; /* NULL: libvirt's default */
} TcsLibvirtPlace;

/* The running domains at all the URIs, of TcsLibvirtPlace. */
GPtrArray *tcs_libvirt_list(char **uris, GError **error);

G_END_DECLS

#endif
