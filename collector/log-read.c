/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the sync log line by line. A log is a file like any other: damaged,
 * foreign or made by somebody hostile.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "json-util.h"
#include "log-host-clocks.h"
#include "log-probes.h"
#include "log.h"

/* Longer lines are damage: no sample comes near. */
#define LINE_MAX_BYTES (8u << 20)
#define SLEW_PPM_MAX   999999
/* A file full of damage is told in this many lines, and a number. */
#define WARNINGS_MAX 100

#define A_LOG        "a log that `trace-clock-sync record` wrote"

/* What the lines read so far say about the ones to come. */
typedef struct {
    TcsLog *log;
    TcsTakeSample take;
    gpointer user_data;
    /* Of the last good sample. */
    struct tcs_host_ticks last_counter;
    gboolean has_reply;
    gint64 generation;
    gboolean has_epoch;
    TcsEpoch epoch;
} Reader;

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
    if (ends[0] > ends[1]) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "window ends before it begins");
        return FALSE;
    }
    ret->lo.ticks = ends[0];
    ret->hi.ticks = ends[1];
    return TRUE;
}

/*
 * The checked structs alone: the JSON is in the file, and would take many times
 * their memory.
 */
static TcsSample *parse_sample(json_object *line, guint host_slew_ppm,
                               GError **error)
{
    g_autoptr(TcsSample) sample = tcs_sample_new();
    json_object *guest = json_object_object_get(line, "guest");
    json_object *before, *after;

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
    if (!tcs_log_take_probes(line, sample, host_slew_ppm, error)) {
        return NULL;
    }
    return g_steal_pointer(&sample);
}

/*
 * Whether the sample's own parts are in their order, and it comes after all
 * before it: what stands for one moment would else stand for another.
 */
static gboolean check_order(const Reader *reader, const TcsSample *sample,
                            struct tcs_host_ticks *ret_last, GError **error)
{
    struct tcs_host_span before = { sample->window.lo, sample->window.lo };
    struct tcs_host_span after = { sample->window.hi, sample->window.hi };

    tcs_qmp_reply_counters(sample->qmp_before, &before);
    tcs_qmp_reply_counters(sample->qmp_after, &after);
    if (before.hi.ticks > sample->window.lo.ticks ||
        after.lo.ticks < sample->window.hi.ticks) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "the window is not between the two replies of QEMU");
        return FALSE;
    }
    if (reader->has_reply && before.lo.ticks < reader->last_counter.ticks) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "it is not later than the sample before it");
        return FALSE;
    }
    *ret_last = after.hi;
    return TRUE;
}

static gboolean is_same_epoch(const TcsEpoch *a, const TcsEpoch *b)
{
    return a->generation == b->generation && a->cpu_index == b->cpu_index &&
           a->host_counter.ticks == b->host_counter.ticks;
}

/*
 * Leaves those epochs that the replies before did not have. They follow where
 * nothing is missing in between: neither dropped from QEMU's bounded history,
 * nor lost with a QEMU that ended.
 */
static void leave_new_epochs(Reader *reader, TcsQmpReply *reply)
{
    GArray *epochs = reply->epochs;
    guint n = epochs->len;

    while (reader->has_epoch && n > 0 &&
           !is_same_epoch(&g_array_index(epochs, TcsEpoch, n - 1),
                          &reader->epoch)) {
        n--;
    }
    reply->epochs_follow =
        !reader->has_reply ||
        (reader->has_epoch
             ? n > 0 && reply->generation >= reader->generation
             : reply->generation == reader->generation || epochs->len > 0);
    reader->has_reply = TRUE;
    reader->generation = reply->generation;
    if (epochs->len > 0) {
        gboolean had_epoch = reader->has_epoch;

        reader->epoch = g_array_index(epochs, TcsEpoch, epochs->len - 1);
        reader->has_epoch = TRUE;
        if (had_epoch && n > 0) {
            g_array_remove_range(epochs, 0, n);
        }
    }
}

G_GNUC_PRINTF(3, 4)
static void warn(TcsLog *log, guint number, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    log->damaged++;
    if (log->damaged > WARNINGS_MAX) {
        return;
    }
    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(log->warnings, g_strdup_printf("line %u %s", number, what));
}

static void take_sample(Reader *reader, json_object *line, guint number)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TcsSample) sample =
        parse_sample(line, reader->log->host_slew_ppm, &error);

    if (!sample) {
        warn(reader->log, number, "is damaged and left out: %s",
             error->message);
    } else if (!check_order(reader, sample, &reader->last_counter, &error)) {
        warn(reader->log, number, "is out of order and left out: %s",
             error->message);
    } else {
        leave_new_epochs(reader, sample->qmp_before);
        leave_new_epochs(reader, sample->qmp_after);
        reader->take(g_steal_pointer(&sample), reader->user_data);
    }
}

/* One line, without its end. FALSE where the header is bad. */
static gboolean take_line(Reader *reader, const char *text, gsize length,
                          guint number, GError **error)
{
    g_autoptr(GError) line_error = NULL;
    g_autoptr(json_object) line =
        length <= LINE_MAX_BYTES ? tcs_json_parse(text, length, &line_error)
                                 : NULL;

    if (line && !json_object_is_type(line, json_type_object)) {
        g_set_error(&line_error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                    "not a JSON object");
    }
    if (number == 1) {
        if (!line || line_error ||
            !parse_header(reader->log, line, &line_error)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "not a sync log: %s",
                        line_error ? line_error->message : "line too long");
            return FALSE;
        }
    } else if (!line || line_error) {
        warn(reader->log, number, "is damaged and left out: %s",
             line_error ? line_error->message : "line too long");
    } else {
        take_sample(reader, line, number);
    }
    return TRUE;
}

/*
 * The next line into `line`, without its end; of a longer one only its
 * beginning, so that memory stays bounded. Returns whether there was one;
 * *ret_torn where the file ended before the line did.
 */
static gboolean next_line(FILE *file, GString *line, gboolean is_first,
                          gboolean *ret_torn)
{
    int c;

    g_string_truncate(line, 0);
    while ((c = getc_unlocked(file)) != EOF && c != '\n') {
        if (line->len <= LINE_MAX_BYTES) {
            g_string_append_c(line, (char)c);
        } else if (is_first) {
            /* No log; and a device may have no second line, ever. */
            break;
        }
    }
    *ret_torn = c == EOF;
    return c != EOF || line->len > 0;
}

static gboolean read_lines(Reader *reader, FILE *file, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    TcsLog *log = reader->log;
    gboolean torn;

    for (guint number = 1; next_line(file, line, number == 1, &torn);
         number++) {
        if (torn && number > 1) {
            /* The writer was killed, or is writing at this moment. */
            g_ptr_array_add(log->warnings,
                            g_strdup_printf("line %u, the last one, is torn "
                                            "and left out",
                                            number));
        } else if (!take_line(reader, line->str, line->len, number, error)) {
            return FALSE;
        }
    }
    if (ferror(file)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "%s", g_strerror(errno));
        return FALSE;
    }
    if (log->damaged > WARNINGS_MAX) {
        g_ptr_array_add(log->warnings,
                        g_strdup_printf("%u more lines are left out",
                                        log->damaged - WARNINGS_MAX));
    }
    if (!log->vm) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "not a sync log: it is empty");
        return FALSE;
    }
    return TRUE;
}

TcsLog *tcs_log_read_each(const char *path, TcsTakeSample take,
                          gpointer user_data, GError **error)
{
    g_autoptr(TcsLog) log = g_new0(TcsLog, 1);
    Reader reader = { .log = log, .take = take, .user_data = user_data };
    g_autoptr(GError) failure = NULL;
    FILE *file = fopen(path, "re");
    gboolean ok;

    if (!file) {
        const int why = errno;
        g_autofree char *advice = tcs_error_file_advice(why, A_LOG);

        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot read %s: %s; %s",
                    path, g_strerror(why), advice);
        return NULL;
    }
    log->samples =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_sample_free);
    log->warnings = g_ptr_array_new_with_free_func(g_free);
    ok = read_lines(&reader, file, &failure);
    fclose(file);
    if (!ok) {
        g_prefix_error(&failure, "cannot read %s: ", path);
        tcs_error_rephrase(
            failure, g_strconcat(failure->message, "; name " A_LOG, NULL));
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    return g_steal_pointer(&log);
}

static void keep_sample(TcsSample *sample, gpointer user_data)
{
    g_ptr_array_add(user_data, sample);
}

TcsLog *tcs_log_read(const char *path, GError **error)
{
    g_autoptr(GPtrArray) samples =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_sample_free);
    TcsLog *log = tcs_log_read_each(path, keep_sample, samples, error);

    if (log) {
        g_ptr_array_unref(log->samples);
        log->samples = g_steal_pointer(&samples);
    }
    return log;
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
