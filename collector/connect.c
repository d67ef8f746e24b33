/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connects to Unix, TCP and vsock addresses without blocking. GIO does TCP
 * (names, several addresses per name); it has no vsock, and does not wait for
 * a Unix socket whose backlog is full.
 */
#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "error.h"

#define RETRY_MS 20

typedef struct {
    char *where;
    int fd;
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_vm vm;
    } to;
    socklen_t to_length;
    gboolean timed_out;
    GSource *timer;
    GSource *waiting;
} Attempt;

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void attempt_free(gpointer data)
{
    Attempt *attempt = data;

    if (attempt->fd >= 0) {
        close(attempt->fd);
    }
    g_free(attempt->where);
    g_free(attempt);
}

/* Consumes the caller's reference to the task. */
static void finish(GTask *task, GError *error)
{
    Attempt *attempt = g_task_get_task_data(task);

    drop_source(&attempt->timer);
    drop_source(&attempt->waiting);
    if (error) {
        g_task_return_error(task, error);
    } else {
        g_task_return_int(task, attempt->fd);
        attempt->fd = -1;
    }
    g_object_unref(task);
}

static const char *advice(const Attempt *attempt, int err)
{
    gboolean vsock = attempt->to.any.sa_family == AF_VSOCK;

    switch (err) {
    case EACCES:
    case EPERM:
        return "run this as a user who may use it, for instance root";
    case ENOENT:
        return "check the path, and that the VM is running";
    case ENODEV:
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
        return vsock ? "check the CID, that the VM has a vsock device, and "
                       "that the host has loaded vhost_vsock"
                     : "check the address";
    default:
        return vsock ? "check that trace-clock-agent listens on vsock in the "
                       "guest, and the port"
                     : "check the address, and that something is listening "
                       "there";
    }
}

static GError *connect_error(const Attempt *attempt, int err)
{
    return g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                       "cannot connect to %s: %s; %s", attempt->where,
                       g_strerror(err), advice(attempt, err));
}

static GError *timeout_error(const Attempt *attempt)
{
    gboolean vsock = attempt->to.any.sa_family == AF_VSOCK;

    return g_error_new(TCS_ERROR, TCS_ERROR_TIMEOUT,
                       "cannot connect to %s: no connection within the time "
                       "limit; %s",
                       attempt->where,
                       vsock ? advice(attempt, ENODEV)
                             : "check the address, and that it is not busy "
                               "with another client");
}

static void wait_for(GTask *task, GSource *source, GSourceFunc callback)
{
    Attempt *attempt = g_task_get_task_data(task);

    drop_source(&attempt->waiting);
    g_source_set_callback(source, callback, task, NULL);
    g_source_attach(source, g_task_get_context(task));
    attempt->waiting = source;
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer data)
{
    GTask *task = data;
    Attempt *attempt = g_task_get_task_data(task);
    int err = 0;
    socklen_t length = sizeof(err);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) != 0) {
        err = errno;
    }
    finish(task, err ? connect_error(attempt, err) : NULL);
    return G_SOURCE_REMOVE;
}

static gboolean try_connect(gpointer data)
{
    GTask *task = data;
    Attempt *attempt = g_task_get_task_data(task);

    if (connect(attempt->fd, &attempt->to.any, attempt->to_length) == 0) {
        finish(task, NULL);
    } else if (errno == EINPROGRESS || errno == EINTR) {
        wait_for(task, g_unix_fd_source_new(attempt->fd, G_IO_OUT),
                 G_SOURCE_FUNC(on_writable));
    } else if (errno == EAGAIN) {
        wait_for(task, g_timeout_source_new(RETRY_MS), try_connect);
    } else {
        finish(task, connect_error(attempt, errno));
    }
    return G_SOURCE_REMOVE;
}

static void connect_raw(GTask *task, const TcsAddress *address)
{
    Attempt *attempt = g_task_get_task_data(task);

    if (address->kind == TCS_ADDRESS_UNIX) {
        attempt->to.un.sun_family = AF_UNIX;
        g_strlcpy(attempt->to.un.sun_path, address->path,
                  sizeof(attempt->to.un.sun_path));
        attempt->to_length = sizeof(attempt->to.un);
    } else {
        attempt->to.vm.svm_family = AF_VSOCK;
        attempt->to.vm.svm_cid = address->cid;
        attempt->to.vm.svm_port = address->port;
        attempt->to_length = sizeof(attempt->to.vm);
    }
    attempt->fd = socket(attempt->to.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (attempt->fd < 0) {
        finish(task, connect_error(attempt, errno));
        return;
    }
    try_connect(task);
}

static void on_tcp_connected(GObject *client, GAsyncResult *result,
                             gpointer data)
{
    GTask *task = data;
    Attempt *attempt = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &error);

    if (connection) {
        int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));

        /* A copy, because the connection closes its own; non-blocking too. */
        attempt->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        finish(task, attempt->fd < 0 ? connect_error(attempt, errno) : NULL);
    } else if (attempt->timed_out) {
        finish(task, timeout_error(attempt));
    } else {
        finish(task, g_error_new(TCS_ERROR, TCS_ERROR_UNREACHABLE,
                                 "cannot connect to %s: %s; check the "
                                 "address, and that something is listening "
                                 "there",
                                 attempt->where, error->message));
    }
}

static void connect_tcp(GTask *task, const TcsAddress *address)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnectable) to =
        g_network_address_new(address->host, address->port);

    g_socket_client_set_enable_proxy(client, FALSE);
    g_socket_client_connect_async(client, to, g_task_get_cancellable(task),
                                  on_tcp_connected, task);
}

static gboolean on_deadline(gpointer data)
{
    GTask *task = data;
    Attempt *attempt = g_task_get_task_data(task);

    if (attempt->fd >= 0) {
        finish(task, timeout_error(attempt));
    } else {
        attempt->timed_out = TRUE;
        g_cancellable_cancel(g_task_get_cancellable(task));
    }
    return G_SOURCE_REMOVE;
}

void tcs_connect_async(const TcsAddress *address, gint64 deadline,
                       GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    GTask *task = g_task_new(NULL, cancellable, callback, user_data);
    Attempt *attempt = g_new0(Attempt, 1);

    attempt->fd = -1;
    attempt->where = g_strdup(address->text);
    g_task_set_task_data(task, attempt, attempt_free);
    g_task_set_check_cancellable(task, FALSE);

    attempt->timer = g_timeout_source_new(0);
    g_source_set_ready_time(attempt->timer, deadline);
    g_source_set_callback(attempt->timer, on_deadline, task, NULL);
    g_source_attach(attempt->timer, g_task_get_context(task));

    if (address->kind == TCS_ADDRESS_TCP) {
        connect_tcp(task, address);
    } else {
        connect_raw(task, address);
    }
}

int tcs_connect_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_int(G_TASK(result), error);
}
