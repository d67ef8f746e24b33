/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unix:PATH. Only the owner may connect; the file of an agent that was killed
 * is replaced, a socket in use is not. Knows nothing of the bytes.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"
#include "transport.h"

#define BACKLOG 16

/* The file that is ours to remove. */
struct socket_file {
    struct stat made;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static bool is_stale(const struct sockaddr_un *address)
{
    struct stat file;
    bool stale;
    int fd;

    if (lstat(address->sun_path, &file) < 0 || !S_ISSOCK(file.st_mode)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    stale =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
        errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Why a path cannot be bound; the address is in use by something. */
static const char *what_is_there(const struct sockaddr_un *address)
{
    struct stat file;

    if (lstat(address->sun_path, &file) == 0 && !S_ISSOCK(file.st_mode)) {
        return S_ISDIR(file.st_mode)
                   ? "it is a directory; name a socket in it"
                   : "there is a file that is no socket; name another path";
    }
    return "another program answers there";
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t mask = umask(0177);
    int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address));

    umask(mask);
    return ret;
}

static void remove_socket_file(void *data)
{
    struct socket_file *file = data;
    struct stat now;

    /* Another agent may have taken the path in the meantime. */
    if (lstat(file->path, &now) == 0 && now.st_dev == file->made.st_dev &&
        now.st_ino == file->made.st_ino) {
        unlink(file->path);
    }
    g_free(file);
}

static bool listen_unix(struct tga_server *server, const char *where,
                        GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct socket_file *file;
    int ret;
    int fd;

    if (where == NULL || *where == '\0' ||
        strlen(where) >= sizeof(address.sun_path)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "unix:%s: give a path of 1 to %zu bytes",
                    where != NULL ? where : "", sizeof(address.sun_path) - 1);
        return false;
    }
    strcpy(address.sun_path, where);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ret = fd < 0 ? -1 : bind_private(fd, &address);
    if (ret < 0 && errno == EADDRINUSE && is_stale(&address)) {
        unlink(address.sun_path);
        ret = bind_private(fd, &address);
    }
    if (ret < 0 || listen(fd, BACKLOG) < 0) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_LISTEN,
                    "unix:%s: cannot listen: %s", where,
                    errno == EADDRINUSE ? what_is_there(&address)
                                        : g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    file = g_new0(struct socket_file, 1);
    strcpy(file->path, where);
    if (lstat(where, &file->made) == 0) {
        tga_server_own(server, file, remove_socket_file);
    } else {
        g_free(file);
    }
    tga_server_add_listener(server, fd);
    return true;
}

const struct tga_transport tga_transport_unix = {
    .name = "unix",
    .listen = listen_unix,
};
