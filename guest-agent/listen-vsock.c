/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vsock[:PORT], for a hypervisor on the other side of a vsock device. Raw
 * sockets, because GIO has none of this family. Knows nothing of the bytes.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "error.h"
#include "transport.h"

#define PORT_DEFAULT 18230
#define BACKLOG      16

static bool listen_vsock(struct tga_server *server, const char *where,
                         GError **error)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_ANY,
    };
    guint64 port = PORT_DEFAULT;
    int fd;

    if (where != NULL && !g_ascii_string_to_unsigned(
                             where, 10, 1, VMADDR_PORT_ANY - 1, &port, NULL)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "vsock:%s: the port must be from 1 to %u", where,
                    VMADDR_PORT_ANY - 1);
        return false;
    }
    address.svm_port = (unsigned int)port;
    fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "vsock:%u: cannot open a socket: %s; does this machine "
                    "have a vsock device, and is its module loaded?",
                    address.svm_port, g_strerror(errno));
        return false;
    }
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, BACKLOG) < 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "vsock:%u: cannot listen: %s", address.svm_port,
                    g_strerror(errno));
        close(fd);
        return false;
    }
    tga_server_add_listener(server, fd);
    return true;
}

const struct tga_transport tga_transport_vsock = {
    .name = "vsock",
    .listen = listen_vsock,
};
