/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-file.h.
 */
#include "trace-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

#define COPY_CHUNK (64u << 20)

#define A_TRACE    "a trace.dat that `trace-cmd record` wrote"
#define A_FILE     "a file in a directory that exists"

/* By errno. `kind` is what should have been named. */
static gboolean set_failed(GError **error, const char *what, const char *path,
                           const char *kind)
{
    const int why = errno;
    g_autofree char *advice = tcs_error_file_advice(why, kind);

    g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "%s %s: %s; %s", what, path,
                g_strerror(why), advice);
    return FALSE;
}

static gboolean copy_bytes(int from, int to, const char *path, GError **error)
{
    g_autofree char *buffer = NULL;
    ssize_t n;

    do {
        n = copy_file_range(from, NULL, to, NULL, COPY_CHUNK, 0);
    } while (n > 0);
    if (n == 0) {
        return TRUE;
    }
    /* Across file systems, on some of them. Both positions are still right. */
    buffer = g_malloc(1 << 20);
    while ((n = read(from, buffer, 1 << 20)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t put = write(to, buffer + done, (size_t)(n - done));

            if (put < 0) {
                return set_failed(error, "cannot write", path, A_FILE);
            }
            done += put;
        }
    }
    return n == 0 || set_failed(error, "cannot copy to", path, A_FILE);
}

/*
 * A file without a name, which is gone whatever ends this program; or one with
 * a name of its own where the file system has no such files.
 */
static int create_copy(TcsTraceFile *file)
{
    g_autofree char *directory = g_path_get_dirname(file->new_path);
    int copy = -1;

    /* It gets its name by way of /proc, see name_copy(). */
    if (access("/proc/self/fd", X_OK) == 0) {
        copy = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    if (copy < 0) {
        file->copy_path = g_strconcat(file->new_path, ".XXXXXX", NULL);
        copy = g_mkstemp_full(file->copy_path, O_RDWR | O_CLOEXEC, 0600);
    }
    return copy;
}

/* link() does not replace a file that came to be meanwhile. */
static gboolean name_copy(TcsTraceFile *file)
{
    g_autofree char *nameless = g_strdup_printf("/proc/self/fd/%d", file->fd);

    return file->copy_path ? link(file->copy_path, file->new_path) == 0
                           : linkat(AT_FDCWD, nameless, AT_FDCWD,
                                    file->new_path, AT_SYMLINK_FOLLOW) == 0;
}

/* Makes the copy, and file->fd that of the copy. */
static gboolean make_copy(TcsTraceFile *file, const char *new_path,
                          GError **error)
{
    struct stat status;
    int copy;

    if (lstat(new_path, &status) == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s exists; it is not overwritten: remove it or name "
                    "another",
                    new_path);
        return FALSE;
    }
    file->new_path = g_strdup(new_path);
    copy = create_copy(file);
    if (copy < 0) {
        set_failed(error, "cannot create", new_path, A_FILE);
        g_clear_pointer(&file->copy_path, g_free);
        return FALSE;
    }
    if (fstat(file->fd, &status) < 0 ||
        fchmod(copy, status.st_mode & 0777) < 0) {
        set_failed(error, "cannot create", new_path, A_FILE);
        close(copy);
        return FALSE;
    }
    if (!copy_bytes(file->fd, copy, new_path, error)) {
        close(copy);
        return FALSE;
    }
    close(file->fd);
    file->fd = copy;
    file->dat.fd = copy;
    return TRUE;
}

static TcsTraceFile *open_file(const char *path, int flags, GError **error)
{
    g_autoptr(TcsTraceFile) file = g_new0(TcsTraceFile, 1);
    gboolean is_extended = flags == O_RDWR;
    const char *why;
    int ret;

    file->path = g_strdup(path);
    /* No waiting for the other end, where it is a pipe. */
    file->fd = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    if (file->fd < 0) {
        set_failed(error, is_extended ? "cannot extend" : "cannot read", path,
                   A_TRACE);
        return NULL;
    }
    if (is_extended && flock(file->fd, LOCK_EX | LOCK_NB) < 0 &&
        errno == EWOULDBLOCK) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s is being extended by another program; wait for it",
                    path);
        return NULL;
    }
    ret = tcs_trace_dat_read(&file->dat, file->fd, &why);
    if (ret < 0) {
        gboolean is_errno =
            ret != -EINVAL && ret != -ENODATA && ret != -ENOTSUP;
        /* What is not supported says itself what to do. */
        const char *advice =
            ret == -EINVAL    ? "; name " A_TRACE
            : ret == -ENODATA ? "; let `trace-cmd record` end, or copy it anew"
                              : "";

        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "%s: %s%s%s%s", path, why,
                    is_errno ? ": " : "", is_errno ? g_strerror(-ret) : "",
                    advice);
        return NULL;
    }
    return g_steal_pointer(&file);
}

TcsTraceFile *tcs_trace_file_open(const char *path, GError **error)
{
    return open_file(path, O_RDONLY, error);
}

TcsTraceFile *tcs_trace_file_open_to_extend(const char *path,
                                            const char *new_path,
                                            GError **error)
{
    g_autoptr(TcsTraceFile) file =
        open_file(path, new_path ? O_RDONLY : O_RDWR, error);

    if (!file || (new_path && !make_copy(file, new_path, error))) {
        return NULL;
    }
    return g_steal_pointer(&file);
}

/* If it is still ours. */
static void take_name_away(const TcsTraceFile *file)
{
    struct stat ours, named;

    if (fstat(file->fd, &ours) == 0 && lstat(file->new_path, &named) == 0 &&
        ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) {
        unlink(file->new_path);
    }
}

void tcs_trace_file_free(TcsTraceFile *file)
{
    if (file) {
        if (file->copy_path) {
            unlink(file->copy_path);
        }
        if (file->is_named && !file->is_kept) {
            take_name_away(file);
        }
        if (file->fd >= 0) {
            close(file->fd);
        }
        tcs_trace_dat_clear(&file->dat);
        g_free(file->path);
        g_free(file->copy_path);
        g_free(file->new_path);
        g_free(file);
    }
}

gboolean tcs_trace_file_append(TcsTraceFile *file,
                               const struct tcs_trace_dat_options *options,
                               GError **error)
{
    const char *why;
    int ret = tcs_trace_dat_append(&file->dat, options, &why);

    if (ret < 0 && file->new_path) {
        errno = -ret;
        return set_failed(error, "cannot write", file->new_path, A_FILE);
    }
    if (ret < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "%s: %s: %s", file->path,
                    why, g_strerror(-ret));
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_trace_file_name(TcsTraceFile *file, GError **error)
{
    if (!file->new_path) {
        return TRUE;
    }
    if (!name_copy(file)) {
        return set_failed(error, "cannot create", file->new_path, A_FILE);
    }
    file->is_named = TRUE;
    if (file->copy_path) {
        unlink(file->copy_path);
        g_clear_pointer(&file->copy_path, g_free);
    }
    return TRUE;
}

void tcs_trace_file_keep(TcsTraceFile *file)
{
    file->is_kept = TRUE;
}

gboolean tcs_trace_file_each_event(const char *path, tcs_trace_dat_event_fn *fn,
                                   void *data, GError **error)
{
    if (tcs_trace_dat_each_event(path, fn, data) >= 0) {
        return TRUE;
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                "libtracecmd cannot read %s; does `trace-cmd report -i` "
                "read it?",
                path);
    return FALSE;
}

gboolean tcs_trace_file_is_same(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

gboolean tcs_trace_file_is_same_place(const char *a, const char *b)
{
    g_autofree char *a_in = g_path_get_dirname(a);
    g_autofree char *b_in = g_path_get_dirname(b);
    g_autofree char *a_name = g_path_get_basename(a);
    g_autofree char *b_name = g_path_get_basename(b);

    return g_str_equal(a_name, b_name) && tcs_trace_file_is_same(a_in, b_in);
}
