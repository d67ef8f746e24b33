/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the sync log line by line. A log is a file like any other: damaged,
 * foreign or made by somebody hostile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "json-util.h"
#include "log-host-clocks.h"
#include "log.h"

/* Longer lines are damage: no sample comes near. */
#define LINE_MAX_BYTES (8u << 20)
#define SLEW_PPM_MAX   999999
/* A file full of damage is told in this many lines, and a number. */
#define WARNINGS_MAX 100

static gboolean parse_header(TcsLog *log, json_object *header, GError **error)
{
    const char *format, *vm;
    guint64 version, slew_ppm;
    json_object *host;

    if (!tcs_json_get_string(header, "format", 64, &format, error) ||
        !tcs_json_get_u64(header, "version", &version, error) ||
        !tcs_json_get_string(header, "vm", 4096, &vm, error) ||
        !tcs_json_get_object(header, "host", &host, error) ||
        !tcs_json_get_u64(host, "slew-ppm", &slew_ppm, error)) {
        return FALSE;
    }
    if (strcmp(format, "trace-clock-sync") != 0 || version != TCS_LOG_VERSION ||
        slew_ppm > SLEW_PPM_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "format '%s', version %" G_GUINT64_FORMAT
                    ": this program reads version %d",
                    format, version, TCS_LOG_VERSION);
        return FALSE;
    }
    log->vm = g_strdup(vm);
    log->host_slew_ppm = (guint)slew_ppm;
    return TRUE;
}

static gboolean parse_window(json_object *line, struct tcs_host_span *ret,
                             GError **error)
{
    json_object *window;
    guint64 ends[2];

    if (!tcs_json_get_array(line, "window", 2, &window, error)) {
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        json_object *end = json_object_array_get_idx(window, i);

        if (!json_object_is_type(end, json_type_int) ||
            json_object_get_int64(end) < 0) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                        "window is not two counters");
            return FALSE;
        }
        ends[i] = json_object_get_uint64(end);
    }
    ret->lo.ticks = ends[0];
    ret->hi.ticks = ends[1];
    return TRUE;
}

/*
 * The checked structs alone: the JSON is in the file, and would take many times
 * their memory.
 */
static TcsSample *parse_sample(json_object *line, GError **error)
{
    g_autoptr(TcsSample) sample = g_new0(TcsSample, 1);
    json_object *guest = json_object_object_get(line, "guest");
    json_object *before, *after;

    sample->local_clocks = g_array_new(FALSE, TRUE, sizeof(TcsHostClock));
    if (!tcs_log_take_host_clocks(line, sample->local_clocks, error) ||
        !parse_window(line, &sample->window, error) ||
        !tcs_json_get_object(line, "qmp-before", &before, error) ||
        !tcs_json_get_object(line, "qmp-after", &after, error)) {
        return NULL;
    }
    sample->qmp_before = tcs_qmp_reply_parse(before, error);
    if (!sample->qmp_before) {
        return NULL;
    }
    sample->qmp_after = tcs_qmp_reply_parse(after, error);
    if (!sample->qmp_after) {
        return NULL;
    }
    if (guest) {
        sample->guest = tcs_guest_reply_parse(guest, error);
        if (!sample->guest) {
            return NULL;
        }
    }
    return g_steal_pointer(&sample);
}

/* One line, without its end. FALSE where the header is bad. */
static gboolean take_line(TcsLog *log, const char *text, gsize length,
                          guint number, GError **error)
{
    g_autoptr(GError) line_error = NULL;
    g_autoptr(json_object) line =
        length <= LINE_MAX_BYTES ? tcs_json_parse(text, length, &line_error)
                                 : NULL;
    TcsSample *sample = NULL;

    if (line && !json_object_is_type(line, json_type_object)) {
        g_set_error(&line_error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "not a JSON object");
    } else if (line && number == 1) {
        if (parse_header(log, line, &line_error)) {
            return TRUE;
        }
    } else if (line) {
        sample = parse_sample(line, &line_error);
    }
    if (sample) {
        g_ptr_array_add(log->samples, sample);
        return TRUE;
    }
    if (number == 1) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "not a sync log: %s",
                    line_error ? line_error->message : "line too long");
        return FALSE;
    }
    log->damaged++;
    if (log->damaged <= WARNINGS_MAX) {
        g_ptr_array_add(log->warnings,
                        g_strdup_printf("line %u is damaged and left out: %s",
                                        number,
                                        line_error ? line_error->message
                                                   : "line too long"));
    }
    return TRUE;
}

/*
 * The next line into `line`, without its end; of a longer one only its
 * beginning, so that memory stays bounded. Returns whether there was one;
 * *ret_torn where the file ended before the line did.
 */
static gboolean next_line(FILE *file, GString *line, gboolean *ret_torn)
{
    int c;

    g_string_truncate(line, 0);
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (line->len <= LINE_MAX_BYTES) {
            g_string_append_c(line, (char)c);
        }
    }
    *ret_torn = c == EOF;
    return c == '\n' || line->len > 0;
}

static gboolean read_lines(TcsLog *log, FILE *file, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gboolean torn;

    for (guint number = 1; next_line(file, line, &torn); number++) {
        if (torn && number > 1) {
            /* The writer was killed, or is writing at this moment. */
            g_ptr_array_add(log->warnings,
                            g_strdup_printf("line %u, the last one, is torn "
                                            "and left out",
                                            number));
        } else if (!take_line(log, line->str, line->len, number, error)) {
            return FALSE;
        }
    }
    if (ferror(file)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "%s", g_strerror(errno));
        return FALSE;
    }
    if (log->damaged > WARNINGS_MAX) {
        g_ptr_array_add(log->warnings,
                        g_strdup_printf("%u more lines are damaged",
                                        log->damaged - WARNINGS_MAX));
    }
    if (!log->vm) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "not a sync log: it is empty");
        return FALSE;
    }
    return TRUE;
}

TcsLog *tcs_log_read(const char *path, GError **error)
{
    g_autoptr(TcsLog) log = g_new0(TcsLog, 1);
    FILE *file = fopen(path, "re");
    gboolean ok;

    if (!file) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot read %s: %s",
                    path, g_strerror(errno));
        return NULL;
    }
    log->samples =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_sample_free);
    log->warnings = g_ptr_array_new_with_free_func(g_free);
    ok = read_lines(log, file, error);
    fclose(file);
    if (!ok) {
        g_prefix_error(error, "cannot read %s: ", path);
        return NULL;
    }
    return g_steal_pointer(&log);
}

void tcs_log_free(TcsLog *log)
{
    if (log) {
        g_free(log->vm);
        g_clear_pointer(&log->samples, g_ptr_array_unref);
        g_clear_pointer(&log->warnings, g_ptr_array_unref);
        g_free(log);
    }
}
