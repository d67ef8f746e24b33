/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serial:PATH, a virtio-serial port or a terminal line. There is no connecting
 * here, only a host side that comes and goes: each time it has gone, what is
 * left of its input is dropped. Knows nothing of the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>

#include "connection.h"
#include "error.h"
#include "transport.h"

/* How often to look whether the host side is back. */
#define WAIT_FIRST_MS 50
#define WAIT_LAST_MS  500

struct port {
    char *path;
    int fd; /* -1 while closed */
    bool is_terminal;
    struct tga_connection *connection; /* NULL while the host side is away */
    guint wait;
    guint wait_ms;
};

/* Bytes as they come: no echo, no line editing, no flow or modem control. */
static int make_raw(int fd)
{
    struct termios settings;

    if (tcgetattr(fd, &settings) < 0) {
        return -errno;
    }
    cfmakeraw(&settings);
    settings.c_iflag &= ~(tcflag_t)(IXOFF | IXANY);
    settings.c_cflag |= CLOCAL | CREAD;
    return tcsetattr(fd, TCSANOW, &settings) < 0 ? -errno : 0;
}

static int open_port(struct port *port)
{
    int ret = 0;
    int fd = open(port->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    port->is_terminal = isatty(fd);
    if (port->is_terminal) {
        ret = make_raw(fd);
    }
    if (ret < 0) {
        close(fd);
        return ret;
    }
    port->fd = fd;
    return 0;
}

static void close_port(struct port *port)
{
    if (port->fd >= 0) {
        close(port->fd);
        port->fd = -1;
    }
}

static bool is_host_there(const struct port *port)
{
    struct pollfd pollfd = { .fd = port->fd, .events = POLLIN };

    return poll(&pollfd, 1, 0) >= 0 &&
           !(pollfd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void wait_for_host(struct tga_connection *connection, void *data);

static gboolean on_wait_over(void *data)
{
    struct port *port = data;
    guint last_ms = port->wait_ms;

    port->wait = 0;
    if (port->fd < 0) {
        open_port(port);
    }
    if (port->fd >= 0 && is_host_there(port)) {
        port->wait_ms = WAIT_FIRST_MS;
        port->connection = tga_connection_new(port->fd, wait_for_host, port);
        return G_SOURCE_REMOVE;
    }
    port->wait_ms = MIN(2 * last_ms, WAIT_LAST_MS);
    wait_for_host(NULL, port);
    return G_SOURCE_REMOVE;
}

/*
 * While the host side of a virtio port is closed, poll() returns POLLHUP at
 * once and the port stays good; so wait by time, and keep it open, as closing
 * it is an event for the host. A terminal line that hung up stays dead, and so
 * does a port that was unplugged: those are opened anew.
 */
static void wait_for_host(struct tga_connection *connection, void *data)
{
    struct port *port = data;

    if (connection != NULL) {
        tga_connection_free(connection);
        port->connection = NULL;
    }
    if (port->fd >= 0 && !is_host_there(port) && port->is_terminal) {
        close_port(port);
    }
    port->wait = g_timeout_add(port->wait_ms, on_wait_over, port);
}

static void free_port(void *data)
{
    struct port *port = data;

    if (port->connection != NULL) {
        tga_connection_free(port->connection);
    }
    if (port->wait != 0) {
        g_source_remove(port->wait);
    }
    close_port(port);
    g_free(port->path);
    g_free(port);
}

static bool listen_serial(struct tga_server *server, const char *where,
                          GError **error)
{
    struct port *port;
    int ret;

    if (where == NULL || *where == '\0') {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "serial: give the path of a port");
        return false;
    }
    port = g_new0(struct port, 1);
    port->path = g_strdup(where);
    port->fd = -1;
    port->wait_ms = WAIT_FIRST_MS;
    ret = open_port(port);
    if (ret < 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "serial:%s: cannot open: %s%s", where, g_strerror(-ret),
                    ret == -EBUSY ? "; does qemu-ga use it?" : "");
        free_port(port);
        return false;
    }
    port->connection = tga_connection_new(port->fd, wait_for_host, port);
    tga_server_own(server, port, free_port);
    return true;
}

const struct tga_transport tga_transport_serial = {
    .name = "serial",
    .listen = listen_serial,
};
