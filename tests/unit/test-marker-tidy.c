/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * That instances go when their process does, on plain directories: the same
 * rmdir() removes an ftrace instance. Whoever lives keeps what is its.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clockread/marker-tidy.h"

#define WAIT_S 20

static const char *const clocks[] = { "local", "counter", NULL };

static char *instance(const char *dir, const struct tcs_marker_owner *owner,
                      const char *clock)
{
    char name[TCS_MARKER_NAME_MAX];
    char *path;

    g_assert_cmpint(tcs_marker_name_format(owner, clock, name, sizeof(name)),
                    ==, 0);
    path = g_build_filename(dir, name, NULL);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    return path;
}

static bool exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void wait_gone(const char *path)
{
    gint64 end = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;

    while (exists(path)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(5000);
    }
}

static struct tcs_marker_owner self(void)
{
    struct tcs_marker_owner owner;

    g_assert_cmpint(tcs_marker_self(&owner), ==, 0);
    g_assert_cmpint(owner.pid, ==, getpid());
    return owner;
}

static void remove_dir(const char *path)
{
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

/* A pid that was in use a moment ago. */
static pid_t dead_pid(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    return pid;
}

static void test_stale(void)
{
    g_autofree char *dir = g_dir_make_tmp("tcs-tidy-XXXXXX", NULL);
    struct tcs_marker_owner me = self(), dead = { dead_pid(), 5 };
    /* The pid is in use again, by another process. */
    struct tcs_marker_owner replaced = { me.pid, me.start + 1 };
    g_autofree char *mine = instance(dir, &me, "local");
    g_autofree char *of_dead = instance(dir, &dead, "local");
    g_autofree char *of_replaced = instance(dir, &replaced, "local");
    g_autofree char *other = g_build_filename(dir, "trace-cmd", NULL);

    g_assert_cmpint(g_mkdir(other, 0700), ==, 0);
    tcs_marker_remove_stale(dir);
    g_assert_true(exists(mine));
    g_assert_true(exists(other));
    g_assert_false(exists(of_dead));
    g_assert_false(exists(of_replaced));
    remove_dir(mine);
    remove_dir(other);
    remove_dir(dir);
    tcs_marker_remove_stale("/nonexistent");
}

/* What the process leaves behind: returns where its second instance is. */
static void live_and_die(const char *dir, int report)
{
    struct tcs_marker_owner me = self();
    g_autofree char *first = instance(dir, &me, clocks[0]);
    g_autofree char *second = instance(dir, &me, clocks[1]);

    if (tcs_marker_watch_start(dir, clocks) < 0) {
        _exit(1);
    }
    /* Ctrl-C reaches the whole process group; the helper has left it. */
    g_assert_cmpint(write(report, "x", 1), ==, 1);
    for (;;) {
        pause();
    }
}

static unsigned int count_entries(const char *dir)
{
    GDir *handle = g_dir_open(dir, 0, NULL);
    unsigned int n = 0;

    while (g_dir_read_name(handle) != NULL) {
        n++;
    }
    g_dir_close(handle);
    return n;
}

static void test_killed(void)
{
    g_autofree char *dir = g_dir_make_tmp("tcs-tidy-XXXXXX", NULL);
    gint64 end = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;
    int ends[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe(ends), ==, 0);
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        live_and_die(dir, ends[1]);
    }
    close(ends[1]);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    /* The helper holds none of our files: this would block otherwise. */
    g_assert_cmpuint(count_entries(dir), ==, 2);
    g_assert_cmpint(kill(-pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
    close(ends[0]);
    while (count_entries(dir) > 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(5000);
    }
    remove_dir(dir);
}

static void test_stopped(void)
{
    g_autofree char *dir = g_dir_make_tmp("tcs-tidy-XXXXXX", NULL);
    struct tcs_marker_owner me = self();
    g_autofree char *mine = instance(dir, &me, "counter");
    int fd = tcs_marker_watch_start(dir, clocks);

    g_assert_cmpint(fd, >=, 0);
    g_usleep(100000);
    g_assert_true(exists(mine));
    tcs_marker_watch_stop(fd);
    wait_gone(mine);
    remove_dir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/marker-tidy/stale", test_stale);
    g_test_add_func("/marker-tidy/killed", test_killed);
    g_test_add_func("/marker-tidy/stopped", test_stopped);
    return g_test_run();
}
