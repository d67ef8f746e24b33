/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See convert-stream.h.
 */
#include "convert-stream.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* Two of them stay in a processor's second cache. */
#define BUFFER_SIZE ((gsize)1 << 18)

G_STATIC_ASSERT(BUFFER_SIZE >= 2 * TCS_CONVERT_HEAD_MAX);

typedef struct {
    TcsConvert *convert;
    int in, out;
    gboolean never_waits; /* a file: no need to ask */
    sigset_t unblocked;   /* the mask while input is waited for */
    char *input;
    gsize used;          /* bytes in `input` */
    gboolean is_in_line; /* what follows belongs to a line already begun */
    gboolean is_at_end;  /* no more input */
    char *output;
    gsize written; /* bytes in `output` */
    gboolean is_closed;
} Stream;

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    caught = number;
}

static gboolean write_all(Stream *s, const char *data, gsize size,
                          GError **error)
{
    while (size > 0) {
        ssize_t n = write(s->out, data, size);

        if (n >= 0) {
            data += n;
            size -= (gsize)n;
        } else if (errno == EAGAIN) {
            struct pollfd wait = { .fd = s->out, .events = POLLOUT };

            poll(&wait, 1, -1);
        } else if (errno == EPIPE) {
            s->is_closed = TRUE;
            return FALSE;
        } else if (errno != EINTR) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                        "cannot write to standard output: %s",
                        g_strerror(errno));
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean flush(Stream *s, GError **error)
{
    gsize size = s->written;

    s->written = 0;
    return write_all(s, s->output, size, error);
}

static gboolean put(Stream *s, const char *data, gsize size, GError **error)
{
    if (size > BUFFER_SIZE - s->written && !flush(s, error)) {
        return FALSE;
    }
    if (size > BUFFER_SIZE) {
        return write_all(s, data, size, error);
    }
    memcpy(s->output + s->written, data, size);
    s->written += size;
    return TRUE;
}

/* A line with the new text in its place; `size` bytes in all. */
static gboolean put_changed(Stream *s, const char *line, gsize size,
                            const TcsReplacement *new, GError **error)
{
    gsize room = new->start + new->spaces + new->size;
    char *at;

    /* The line's beginning is short, and so are the blanks in it. */
    if (room > BUFFER_SIZE - s->written && !flush(s, error)) {
        return FALSE;
    }
    at = s->output + s->written;
    memcpy(at, line, new->start);
    at += new->start;
    memset(at, ' ', new->spaces);
    at += new->spaces;
    memcpy(at, new->text, new->size);
    s->written += room;
    return put(s, line + new->end, size - new->end, error);
}

/*
 * A line's beginning, or all of it: `rest` are the bytes to pass on behind what
 * is looked at.
 */
static gboolean put_line(Stream *s, const char *line, gsize size, gsize rest,
                         GError **error)
{
    g_autoptr(GError) local = NULL;
    TcsReplacement new;

    if (tcs_convert_line(s->convert, line, size, &new, &local)) {
        return put_changed(s, line, size + rest, &new, error);
    }
    if (local) {
        const TcsConvertCount *count = &s->convert->count;

        g_set_error(
            error, local->domain, local->code, "line %" G_GUINT64_FORMAT ": %s",
            count->converted + count->passed + count->unknown, local->message);
        return FALSE;
    }
    return put(s, line, size + rest, error);
}

/* All lines in `input`; what may go on beyond it stays. */
static gboolean take_lines(Stream *s, GError **error)
{
    const char *at = s->input, *end = at + s->used;

    while (at < end) {
        const char *newline = memchr(at, '\n', (gsize)(end - at));
        gsize size = (gsize)((newline ? newline : end) - at);
        gboolean is_begun = s->is_in_line;

        if (!newline && !s->is_at_end && size < TCS_CONVERT_HEAD_MAX &&
            !is_begun) {
            break;
        }
        s->is_in_line = !newline;
        if (is_begun) {
            if (!put(s, at, size + !!newline, error)) {
                return FALSE;
            }
        } else {
            gsize head = MIN(size, TCS_CONVERT_HEAD_MAX);

            if (!put_line(s, at, head, size - head + !!newline, error)) {
                return FALSE;
            }
        }
        at += size + !!newline;
    }
    s->used = (gsize)(end - at);
    memmove(s->input, at, s->used);
    return TRUE;
}

static gboolean read_more(Stream *s, GError **error)
{
    ssize_t n = read(s->in, s->input + s->used, BUFFER_SIZE - s->used);

    if (n > 0) {
        s->used += (gsize)n;
    } else if (n == 0) {
        s->is_at_end = TRUE;
    } else if (errno != EINTR && errno != EAGAIN) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot read standard input: %s", g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

static void set_blocked(const Stream *s, gboolean is_blocked)
{
    sigset_t set;

    sigemptyset(&set);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaddset(&set, signals[i]);
    }
    if (is_blocked) {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    } else {
        pthread_sigmask(SIG_SETMASK, &s->unblocked, NULL);
    }
}

/* Until there is input, its end or a signal, which is FALSE. */
static gboolean wait_for_input(const Stream *s)
{
    struct pollfd wait = { .fd = s->in, .events = POLLIN };

    if (s->never_waits) {
        return !caught;
    }
    /* A signal between a look at it and the wait would be slept over. */
    set_blocked(s, TRUE);
    while (!caught && ppoll(&wait, 1, NULL, &s->unblocked) < 0 &&
           errno == EINTR) {
    }
    set_blocked(s, FALSE);
    return !caught;
}

static TcsStreamEnd run(Stream *s, GError **error)
{
    while (!s->is_at_end) {
        gboolean is_ready = wait_for_input(s);
        gboolean is_good =
            !is_ready || (read_more(s, error) && take_lines(s, error));

        if (!is_good || !flush(s, error)) {
            return s->is_closed ? TCS_STREAM_CLOSED : TCS_STREAM_FAILED;
        }
        if (!is_ready) {
            return TCS_STREAM_SIGNAL;
        }
    }
    return TCS_STREAM_DONE;
}

TcsStreamEnd tcs_convert_stream(TcsConvert *convert, int in, int out,
                                int *ret_signal, GError **error)
{
    /* A second one ends the program, however stuck its output is. */
    const struct sigaction action = { .sa_handler = catch_signal,
                                      .sa_flags = SA_RESETHAND };
    struct sigaction before[G_N_ELEMENTS(signals)];
    Stream s = { .convert = convert, .in = in, .out = out };
    struct stat status;
    TcsStreamEnd end;

    s.never_waits = fstat(in, &status) == 0 && S_ISREG(status.st_mode);
    s.input = g_malloc(BUFFER_SIZE);
    s.output = g_malloc(BUFFER_SIZE);
    caught = 0;
    pthread_sigmask(SIG_BLOCK, NULL, &s.unblocked);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], NULL, &before[i]);
        /* nohup's is left alone. */
        if (before[i].sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    end = run(&s, error);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &before[i], NULL);
    }
    *ret_signal = caught;
    g_free(s.input);
    g_free(s.output);
    return end;
}
