/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See marker-tidy.h. Removing an instance that someone still has open fails
 * with EBUSY, so a live one is never lost, not even where its owner cannot be
 * seen from here (another pid namespace).
 */
#include "marker-tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The owner's files close one by one; an instance is free after the last. */
#define REMOVE_TRIES   500
#define REMOVE_WAIT_NS 20000000

#define CLOCKS_MAX     16

/* /proc/PID/stat's start time; `pid` 0: this process. */
static int read_start(int64_t pid, uint64_t *ret_start)
{
    char path[64], line[1024];
    ssize_t len;
    int fd;

    if (pid == 0) {
        snprintf(path, sizeof(path), "/proc/self/stat");
    } else {
        snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    len = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (len <= 0) {
        return -ESRCH;
    }
    line[len] = '\0';
    return tcs_marker_start_parse(line, ret_start);
}

int tcs_marker_self(struct tcs_marker_owner *ret_owner)
{
    ret_owner->pid = getpid();
    return read_start(0, &ret_owner->start);
}

static bool is_gone(const struct tcs_marker_owner *owner)
{
    uint64_t start;
    int ret = read_start(owner->pid, &start);

    return ret == -ENOENT || ret == -ESRCH ||
           (ret == 0 && start != owner->start);
}

void tcs_marker_remove_stale(const char *dir)
{
    DIR *handle = opendir(dir);
    struct dirent *entry;

    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        struct tcs_marker_owner owner;

        if (tcs_marker_name_parse(entry->d_name, &owner) && is_gone(&owner)) {
            unlinkat(dirfd(handle), entry->d_name, AT_REMOVEDIR);
        }
    }
    if (handle != NULL) {
        closedir(handle);
    }
}

/*
 * From here on the code runs in the helper, a fork of a process that may have
 * threads: system calls only.
 */

static void close_all_but(int kept)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, kept + 1U, ~0U, 0) == 0 &&
        (kept == 0 || syscall(SYS_close_range, 0, kept - 1U, 0) == 0)) {
        return;
    }
#endif
    for (long fd = 0, end = sysconf(_SC_OPEN_MAX); fd < end; fd++) {
        if (fd != kept) {
            close((int)fd);
        }
    }
}

static bool remove_all(char (*paths)[PATH_MAX], size_t n)
{
    bool busy = false;

    for (size_t i = 0; i < n; i++) {
        busy |= rmdir(paths[i]) < 0 && errno == EBUSY;
    }
    return !busy;
}

static _Noreturn void help(int fd, char (*paths)[PATH_MAX], size_t n)
{
    const struct timespec pause = { .tv_nsec = REMOVE_WAIT_NS };
    char byte;

    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "trace-clock-tidy");
    (void)!chdir("/");
    close_all_but(fd);
    while (read(fd, &byte, 1) < 0 && errno == EINTR) {
    }
    for (int tries = 0; tries < REMOVE_TRIES && !remove_all(paths, n);
         tries++) {
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

/*
 * Forks twice, so that the helper is nobody's child to be waited for. On return
 * it has left the caller's process group: what ends that spares it.
 */
static int fork_helper(int pipe_end, char (*paths)[PATH_MAX], size_t n)
{
    pid_t child = fork();

    if (child == 0) {
        setsid();
        if (fork() == 0) {
            help(pipe_end, paths, n);
        }
        _exit(0);
    }
    if (child < 0) {
        return -errno;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return 0;
}

int tcs_marker_watch_start(const char *dir, const char *const *clocks)
{
    char(*paths)[PATH_MAX] = calloc(CLOCKS_MAX, sizeof(*paths));
    char name[TCS_MARKER_NAME_MAX];
    struct tcs_marker_owner self;
    size_t n = 0;
    int ends[2] = { -1, -1 };
    int ret = paths != NULL ? tcs_marker_self(&self) : -ENOMEM;

    for (; ret == 0 && clocks[n] != NULL && n < CLOCKS_MAX; n++) {
        ret = tcs_marker_name_format(&self, clocks[n], name, sizeof(name));
        if (ret == 0 && (size_t)snprintf(paths[n], PATH_MAX, "%s/%s", dir,
                                         name) >= PATH_MAX) {
            ret = -ENAMETOOLONG;
        }
    }
    if (ret == 0 && pipe2(ends, O_CLOEXEC) < 0) {
        ret = -errno;
    }
    if (ret == 0) {
        ret = fork_helper(ends[0], paths, n);
        close(ends[0]);
        if (ret < 0) {
            close(ends[1]);
        }
    }
    free(paths);
    return ret < 0 ? ret : ends[1];
}

void tcs_marker_watch_stop(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}
