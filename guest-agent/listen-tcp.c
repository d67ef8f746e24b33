/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp:HOST:PORT. There is no default host: nobody shall be reachable from a
 * network by accident. Knows nothing of the bytes.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "transport.h"

#define BACKLOG 16

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static bool split(const char *where, char **ret_host, const char **ret_port)
{
    const char *colon = where != NULL ? strrchr(where, ':') : NULL;
    const char *host = where;
    size_t len;

    if (colon == NULL ||
        !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, NULL, NULL)) {
        return false;
    }
    len = (size_t)(colon - where);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (len == 0 || host[0] == '[' || memchr(host, ':', len) != NULL) {
        return false;
    }
    *ret_host = g_strndup(host, len);
    *ret_port = colon + 1;
    return true;
}

/* A listening socket, or -errno. */
static int open_listener(const struct addrinfo *address)
{
    static const int on = 1;
    int ret;
    int fd = socket(address->ai_family,
                    address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) {
        /* IPv4 has an address of its own in the list. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0) {
        return fd;
    }
    ret = -errno;
    close(fd);
    return ret;
}

static bool listen_tcp(struct tga_server *server, const char *where,
                       GError **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *addresses;
    unsigned int listeners = 0;
    char *host;
    const char *port;
    int ret;

    if (!split(where, &host, &port)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "tcp:%s: give HOST:PORT or [HOST]:PORT, with a port from "
                    "1 to 65535; a host must be named, 127.0.0.1 for this "
                    "machine only",
                    where != NULL ? where : "");
        return false;
    }
    ret = getaddrinfo(host, port, &hints, &addresses);
    g_free(host);
    if (ret != 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "tcp:%s: cannot find the host: %s", where,
                    ret == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(ret));
        return false;
    }
    /* All addresses of the name, but those of a disabled family. */
    for (struct addrinfo *address = addresses; address != NULL;
         address = address->ai_next) {
        ret = open_listener(address);
        if (ret >= 0) {
            tga_server_add_listener(server, ret);
            listeners++;
        } else if (ret != -EADDRNOTAVAIL && ret != -EAFNOSUPPORT) {
            listeners = 0;
            break;
        }
    }
    freeaddrinfo(addresses);
    if (listeners == 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "tcp:%s: cannot listen: %s", where, g_strerror(-ret));
        return false;
    }
    return true;
}

const struct tga_transport tga_transport_tcp = {
    .name = "tcp",
    .listen = listen_tcp,
};
