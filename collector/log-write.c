/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the sync log.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clockread/clocksource.h"
#include "clockread/counter.h"
#include "error.h"
#include "host-sampler.h"
#include "json-util.h"
#include "log-host-clocks.h"
#include "log-probes.h"
#include "log.h"

struct TcsLogWriter {
    char *path;
    int fd;
    goffset length; /* of whole lines */
};

static gboolean set_file_error(GError **error, const char *what,
                               const char *path)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot %s %s: %s", what,
                path, g_strerror(errno));
    return FALSE;
}

static gboolean write_all(int fd, const char *text, gsize length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return FALSE;
        }
        text += written;
        length -= (gsize)written;
    }
    return TRUE;
}

/* Consumes `object`. */
static gboolean append_line(TcsLogWriter *writer, json_object *object,
                            GError **error)
{
    g_autofree char *line = g_strconcat(
        json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), "\n",
        NULL);
    gsize length = strlen(line);

    json_object_put(object);
    if (!write_all(writer->fd, line, length)) {
        set_file_error(error, "write to", writer->path);
        /* Half a line would be taken for damage. */
        if (ftruncate(writer->fd, writer->length) < 0) {
            g_prefix_error(error, "(and its last line is torn) ");
        }
        return FALSE;
    }
    writer->length += (goffset)length;
    return TRUE;
}

static json_object *header_new(const char *vm)
{
    json_object *header = json_object_new_object();
    json_object *host = json_object_new_object();
    struct utsname name;
    char clocksource[64];

    tcs_clocksource_name(clocksource, sizeof(clocksource));
    json_object_object_add(header, "format",
                           json_object_new_string("trace-clock-sync"));
    json_object_object_add(header, "version",
                           json_object_new_int(TCS_LOG_VERSION));
    json_object_object_add(header, "vm", json_object_new_string(vm));
    if (uname(&name) == 0) {
        json_object_object_add(host, "name",
                               json_object_new_string(name.nodename));
        json_object_object_add(host, "kernel",
                               json_object_new_string(name.release));
    }
    json_object_object_add(host, "counter",
                           json_object_new_string(TCS_COUNTER_NAME));
    json_object_object_add(host, "clocksource",
                           json_object_new_string(clocksource));
    json_object_object_add(host, "slew-ppm",
                           json_object_new_int64(tcs_host_clock_slew_ppm()));
    json_object_object_add(header, "host", host);
    return header;
}

static gboolean check_there(const TcsLogWriter *writer, GError **error)
{
    struct stat state;

    if (fstat(writer->fd, &state) < 0) {
        return set_file_error(error, "look at", writer->path);
    }
    if (state.st_nlink == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s was removed while it was written, and with it what was "
                    "recorded; record again",
                    writer->path);
        return FALSE;
    }
    return TRUE;
}

static void writer_free(TcsLogWriter *writer)
{
    g_free(writer->path);
    g_free(writer);
}

TcsLogWriter *tcs_log_create(const char *path, const char *vm, GError **error)
{
    TcsLogWriter *writer;
    int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0644);

    if (fd < 0) {
        set_file_error(error, "create", path);
        if (errno == EEXIST) {
            g_prefix_error(error, "a log is never overwritten; ");
        }
        return NULL;
    }
    writer = g_new0(TcsLogWriter, 1);
    writer->path = g_strdup(path);
    writer->fd = fd;
    if (!append_line(writer, header_new(vm), error)) {
        tcs_log_discard(writer);
        return NULL;
    }
    return writer;
}

gboolean tcs_log_append(TcsLogWriter *writer, const TcsSample *sample,
                        GError **error)
{
    json_object *line = json_object_new_object();
    json_object *window = json_object_new_array();

    json_object_array_add(window,
                          json_object_new_uint64(sample->window.lo.ticks));
    json_object_array_add(window,
                          json_object_new_uint64(sample->window.hi.ticks));
    json_object_object_add(line, "window", window);
    json_object_object_add(line, "qmp-before",
                           json_object_get(sample->qmp_before_json));
    json_object_object_add(line, "guest", json_object_get(sample->guest_json));
    json_object_object_add(line, "qmp-after",
                           json_object_get(sample->qmp_after_json));
    tcs_log_add_host_clocks(line, sample);
    tcs_log_add_probes(line, sample);
    return append_line(writer, line, error) && check_there(writer, error);
}

gboolean tcs_log_close(TcsLogWriter *writer, GError **error)
{
    gboolean ok = check_there(writer, error) &&
                  (fsync(writer->fd) == 0 || errno == EINVAL ||
                   set_file_error(error, "flush", writer->path));

    if (close(writer->fd) < 0 && ok) {
        ok = set_file_error(error, "close", writer->path);
    }
    writer_free(writer);
    return ok;
}

void tcs_log_discard(TcsLogWriter *writer)
{
    if (check_there(writer, NULL)) {
        unlink(writer->path);
    }
    close(writer->fd);
    writer_free(writer);
}
