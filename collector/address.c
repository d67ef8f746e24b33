/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parsing of monitor and agent addresses. Connects to nothing.
 */
#include "address.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/un.h>

#include "error.h"

#define QMP_FORMS   "PATH, HOST:PORT, [IPV6]:PORT, unix:PATH or tcp:HOST:PORT"
#define AGENT_FORMS "qga:PATH, vsock:CID[:PORT], tcp:HOST:PORT or unix:PATH"

/* Decimal digits only: no sign, no blanks, nothing after them. */
static gboolean parse_number(const char *text, guint64 min, guint64 max,
                             guint32 *ret)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, min, max, &value, NULL)) {
        return FALSE;
    }
    *ret = value;
    return TRUE;
}

/* The parsers return NULL, or what is wrong. */
static const char *parse_unix(TcsAddress *address, const char *path)
{
    if (*path == '\0') {
        return "the socket's path is empty";
    }
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return "the path is too long for a Unix socket (at most 107 "
               "bytes); use a shorter one, for instance relative to "
               "another working directory";
    }
    address->kind = TCS_ADDRESS_UNIX;
    address->path = g_strdup(path);
    return NULL;
}

static gboolean host_is_valid(const char *host, gboolean bracketed)
{
    if (bracketed) {
        g_autofree char *plain = g_strndup(host, strcspn(host, "%"));
        g_autoptr(GInetAddress) ip = g_inet_address_new_from_string(plain);

        return ip != NULL &&
               g_inet_address_get_family(ip) == G_SOCKET_FAMILY_IPV6;
    }
    return *host != '\0' &&
           host[strspn(host, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_")] ==
               '\0';
}

static const char *parse_tcp(TcsAddress *address, const char *text)
{
    gboolean bracketed = text[0] == '[';
    const char *host_end = strchr(text, bracketed ? ']' : ':');
    const char *port;

    if (host_end == NULL) {
        return "the port is missing";
    }
    port = host_end + (bracketed ? 1 : 0);
    address->kind = TCS_ADDRESS_TCP;
    address->host = g_strndup(text + bracketed, host_end - text - bracketed);
    if (strchr(port + (*port == ':'), ':')) {
        return "an IPv6 address is written in brackets: [::1]:4444";
    }
    if (!host_is_valid(address->host, bracketed)) {
        return bracketed ? "there is no IPv6 address in the brackets"
                         : "that is not a host name or address";
    }
    if (*port != ':' ||
        !parse_number(port + 1, 1, G_MAXUINT16, &address->port)) {
        return "the port is not a number from 1 to 65535";
    }
    return NULL;
}

static const char *parse_vsock(TcsAddress *address, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ":", -1);
    guint count = g_strv_length(words);

    address->kind = TCS_ADDRESS_VSOCK;
    address->port = TCS_VSOCK_DEFAULT_PORT;
    /* 0 is the hypervisor, the largest number is the wildcard. */
    if (count == 0 ||
        !parse_number(words[0], 1, G_MAXUINT32 - 1, &address->cid)) {
        return "the CID is not a number from 1 to 4294967294 (a VM's "
               "is its vsock device's guest-cid)";
    }
    if (count > 2 || (count == 2 && !parse_number(words[1], 1, G_MAXUINT32 - 1,
                                                  &address->port))) {
        return "the port is not a number from 1 to 4294967294";
    }
    return NULL;
}

static char *canonical_text(const TcsAddress *address)
{
    g_autofree char *path = NULL;

    switch (address->kind) {
    case TCS_ADDRESS_UNIX:
        /* A path is any bytes; a message is text. */
        path = g_filename_display_name(address->path);
        return g_strdup_printf("%s:%s", address->qga ? "qga" : "unix", path);
    case TCS_ADDRESS_TCP:
        return g_strdup_printf(strchr(address->host, ':') ? "tcp:[%s]:%u"
                                                          : "tcp:%s:%u",
                               address->host, address->port);
    case TCS_ADDRESS_VSOCK:
        return g_strdup_printf("vsock:%u:%u", address->cid, address->port);
    }
    g_assert_not_reached();
}

static const char *parse_qmp(TcsAddress *address, const char *text)
{
    if (g_str_has_prefix(text, "unix:")) {
        return parse_unix(address, text + strlen("unix:"));
    }
    if (g_str_has_prefix(text, "tcp:")) {
        return parse_tcp(address, text + strlen("tcp:"));
    }
    /* A file whose name contains a colon needs a slash or "unix:". */
    if (strchr(text, '/') || !strchr(text, ':')) {
        return parse_unix(address, text);
    }
    return parse_tcp(address, text);
}

static const char *parse_agent(TcsAddress *address, const char *text)
{
    if (g_str_has_prefix(text, "qga:")) {
        address->qga = TRUE;
        return parse_unix(address, text + strlen("qga:"));
    }
    if (g_str_has_prefix(text, "unix:")) {
        return parse_unix(address, text + strlen("unix:"));
    }
    if (g_str_has_prefix(text, "tcp:")) {
        return parse_tcp(address, text + strlen("tcp:"));
    }
    if (g_str_has_prefix(text, "vsock:")) {
        return parse_vsock(address, text + strlen("vsock:"));
    }
    return "it does not say what kind of agent this is";
}

typedef const char *Parser(TcsAddress *address, const char *text);

static TcsAddress *parse(const char *text, Parser *parser, const char *what,
                         const char *forms, GError **error)
{
    g_autoptr(TcsAddress) address = g_new0(TcsAddress, 1);
    const char *problem = parser(address, text);

    if (problem) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "%s address '%s': %s; accepted are %s", what, text, problem,
                    forms);
        return NULL;
    }
    address->text = canonical_text(address);
    return g_steal_pointer(&address);
}

TcsAddress *tcs_address_parse_qmp(const char *text, GError **error)
{
    return parse(text, parse_qmp, "QMP", QMP_FORMS, error);
}

TcsAddress *tcs_address_parse_agent(const char *text, GError **error)
{
    return parse(text, parse_agent, "agent", AGENT_FORMS, error);
}

void tcs_address_free(TcsAddress *address)
{
    if (address) {
        g_free(address->path);
        g_free(address->host);
        g_free(address->text);
        g_free(address);
    }
}
