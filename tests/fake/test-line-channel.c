/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line channel whose peer reads and writes slowly, through tiny socket
 * buffers: what scripted peers cannot bring about. The peer is a thread.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "collector/error.h"
#include "collector/line-channel.h"

typedef struct {
    int ours, theirs;
    TcsLineChannel *channel;
} Pair;

static Pair pair_new(void)
{
    int fds[2];
    int size = 2048;
    Pair pair;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    g_unix_set_fd_nonblocking(fds[0], TRUE, NULL);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    pair.ours = fds[0];
    pair.theirs = fds[1];
    pair.channel = tcs_line_channel_new(fds[0], "the peer");
    return pair;
}

static void pair_clear(Pair *pair)
{
    tcs_line_channel_unref(pair->channel);
    if (pair->theirs >= 0) {
        close(pair->theirs);
    }
}

static void keep_result(GObject *source, GAsyncResult *result, gpointer data)
{
    GAsyncResult **kept = data;

    *kept = g_object_ref(result);
}

static GBytes *exchange(Pair *pair, const char *request, guint timeout_ms,
                        GError **error)
{
    g_autoptr(GAsyncResult) result = NULL;
    g_autoptr(GBytes) bytes =
        request ? g_bytes_new_static(request, strlen(request)) : NULL;

    tcs_line_channel_exchange_async(pair->channel, bytes, "the question",
                                    g_get_monotonic_time() + timeout_ms * 1000,
                                    keep_result, &result);
    while (result == NULL) {
        g_main_context_iteration(NULL, TRUE);
    }
    return tcs_line_channel_exchange_finish(result, error);
}

static void assert_line(GBytes *line, const char *expected)
{
    gsize length;
    const char *text;

    g_assert_nonnull(line);
    text = g_bytes_get_data(line, &length);
    g_assert_cmpmem(text, length, expected, strlen(expected));
}

/* Reads a request of this many bytes piece by piece, then answers. */
#define LARGE 1000000

static gpointer slow_reader(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char buffer[5000];
    gsize total = 0;

    while (total < LARGE) {
        ssize_t got = read(fd, buffer, sizeof(buffer));

        g_assert_cmpint(got, >, 0);
        for (ssize_t i = 0; i < got; i++) {
            g_assert_cmpint(buffer[i], ==, 'a' + (total + i) % 23);
        }
        total += got;
        if (total / 100000 != (total - got) / 100000) {
            g_usleep(5000);
            /* Lines before the request is out must not get lost. */
            g_assert_cmpint(write(fd, "early\n", 6), ==, 6);
        }
    }
    g_assert_cmpint(write(fd, "done\n", 5), ==, 5);
    return NULL;
}

static void test_partial_writes(void)
{
    Pair pair = pair_new();
    g_autofree char *request = g_malloc(LARGE + 1);
    GThread *thread;
    guint early = 0;

    for (gsize i = 0; i < LARGE; i++) {
        request[i] = 'a' + i % 23;
    }
    request[LARGE] = '\0';
    thread = g_thread_new("peer", slow_reader, GINT_TO_POINTER(pair.theirs));
    for (const char *send = request;; send = NULL) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) line = exchange(&pair, send, 20000, &error);

        g_assert_no_error(error);
        if (memcmp(g_bytes_get_data(line, NULL), "early", 5) != 0) {
            assert_line(line, "done");
            break;
        }
        early++;
    }
    g_assert_cmpuint(early, ==, LARGE / 100000);
    g_thread_join(thread);
    pair_clear(&pair);
}

static void test_unread_request(void)
{
    Pair pair = pair_new();
    g_autofree char *request = g_strnfill(LARGE, 'x');
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();

    g_assert_null(exchange(&pair, request, 200, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_TIMEOUT);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 2000000);
    pair_clear(&pair);
}

/* The peer goes while we still send: an error, and no SIGPIPE. */
static void test_broken_pipe(void)
{
    Pair pair = pair_new();
    g_autoptr(GError) error = NULL;

    /* Takes nothing any more, and has not closed: so only sending fails. */
    shutdown(pair.theirs, SHUT_RD);
    g_assert_null(exchange(&pair, "hello\n", 5000, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE);
    g_assert_nonnull(strstr(error->message, "closed the connection while "
                                            "the question was outstanding"));
    pair_clear(&pair);
}

/* Lines that are here already come one by one, and then the peer's end. */
static void test_buffered_lines(void)
{
    static const char text[] = "one\r\n\n \r\ntwo\nthree\nrest";
    Pair pair = pair_new();
    g_autoptr(GBytes) one = NULL;
    g_autoptr(GBytes) two = NULL;
    g_autoptr(GBytes) three = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(tcs_line_channel_has_unread(pair.channel));
    g_assert_cmpint(write(pair.theirs, text, strlen(text)), >, 0);
    g_assert_true(tcs_line_channel_has_unread(pair.channel));
    close(pair.theirs);
    pair.theirs = -1;
    one = exchange(&pair, NULL, 5000, &error);
    assert_line(one, "one\r");
    two = exchange(&pair, NULL, 5000, &error);
    assert_line(two, "two");
    three = exchange(&pair, NULL, 5000, &error);
    assert_line(three, "three");
    g_assert_null(exchange(&pair, NULL, 5000, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_UNREACHABLE);
    pair_clear(&pair);
}

static void test_past_deadline(void)
{
    Pair pair = pair_new();
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(write(pair.theirs, "line\n", 5), ==, 5);
    g_assert_null(exchange(&pair, NULL, 0, &error));
    g_assert_error(error, TCS_ERROR, TCS_ERROR_TIMEOUT);
    pair_clear(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/line-channel/partial-writes", test_partial_writes);
    g_test_add_func("/line-channel/unread-request", test_unread_request);
    g_test_add_func("/line-channel/broken-pipe", test_broken_pipe);
    g_test_add_func("/line-channel/buffered-lines", test_buffered_lines);
    g_test_add_func("/line-channel/past-deadline", test_past_deadline);
    return g_test_run();
}
