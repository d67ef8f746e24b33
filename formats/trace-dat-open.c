/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-open.h. Of 3.1.6's tracecmd_open() it was seen to die where the
 * header does not parse, and of its kbuffer functions where a page is damaged.
 */
#include "trace-dat-open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <trace-cmd.h>
#include <unistd.h>

/* The child's status where the function fails, and lives. A sanitizer makes a
 * status of its own of a signal. */
#define FAILED          42
#define CPU_SECONDS_MAX 60
/* A file may declare, and compress, any size. */
#define DATA_BYTES_MAX ((rlim_t)1 << 30)

/* Plugins only format what is printed. */
struct tracecmd_input *tcs_trace_dat_open_here(const char *path)
{
    return tracecmd_open(path, TRACECMD_FL_LOAD_NO_PLUGINS |
                                   TRACECMD_FL_LOAD_NO_SYSTEM_PLUGINS);
}

void tcs_trace_dat_child_more(void)
{
    struct timespec used = { 0 };
    struct rlimit limit;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    if (getrlimit(RLIMIT_CPU, &limit) == 0) {
        limit.rlim_cur = (rlim_t)used.tv_sec + CPU_SECONDS_MAX;
        if (limit.rlim_cur > limit.rlim_max) {
            limit.rlim_cur = limit.rlim_max;
        }
        setrlimit(RLIMIT_CPU, &limit);
    }
}

/* Not closed: a file that is opened later would get its number. */
static void silence(int fd)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, fd) < 0) {
        close(fd);
    }
    if (null >= 0 && null != fd) {
        close(null);
    }
}

static void limit_data(void)
{
#ifndef __SANITIZE_ADDRESS__ /* it takes terabytes of addresses */
    struct rlimit limit;

    if (getrlimit(RLIMIT_DATA, &limit) == 0 &&
        limit.rlim_max > DATA_BYTES_MAX) {
        limit.rlim_cur = limit.rlim_max = DATA_BYTES_MAX;
        setrlimit(RLIMIT_DATA, &limit);
    }
#endif
}

static void __attribute__((noreturn))
run_child(pid_t parent, bool is_heard, int (*fn)(void *data), void *data)
{
    const struct rlimit no_core = { 0, 0 };

    /* It shares the locks of files: it must not outlive who took them. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(FAILED);
    }
    limit_data();
    setrlimit(RLIMIT_CORE, &no_core);
    tcs_trace_dat_child_more();
    silence(STDOUT_FILENO);
    if (!is_heard) {
        silence(STDERR_FILENO);
    }
    _exit(fn(data) ? FAILED : 0);
}

bool tcs_trace_dat_child_start(struct tcs_trace_dat_child *child, bool is_heard,
                               int (*fn)(void *data), void *data)
{
    const struct sigaction by_default = { .sa_handler = SIG_DFL };
    const pid_t parent = getpid();

    /* Where it is ignored, as some launchers leave it, nothing is waited for.
     */
    sigaction(SIGCHLD, &by_default, &child->before);
    child->pid = fork();
    if (child->pid == 0) {
        run_child(parent, is_heard, fn, data);
    }
    if (child->pid < 0) {
        sigaction(SIGCHLD, &child->before, NULL);
    }
    return child->pid > 0;
}

bool tcs_trace_dat_child_end(struct tcs_trace_dat_child *child)
{
    int status = -1;

    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
    }
    sigaction(SIGCHLD, &child->before, NULL);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What is asked of a child process, and its answer; shared with it. */
struct question {
    const char *path;
    tcs_trace_dat_ask_fn *fn;
    int answer;
    max_align_t data[];
};

static int ask(void *data)
{
    struct question *question = data;
    struct tracecmd_input *handle = tcs_trace_dat_open_here(question->path);

    if (!handle) {
        return -1;
    }
    question->answer = question->fn(handle, question->data);
    return 0;
}

int tcs_trace_dat_ask(const char *path, tcs_trace_dat_ask_fn *fn, void *data,
                      size_t size)
{
    const size_t all = sizeof(struct question) + size;
    struct question *question = mmap(NULL, all, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct tcs_trace_dat_child child;
    int ret = -EINVAL;

    if (question == MAP_FAILED) {
        return ret;
    }
    *question = (struct question){ path, fn, -EINVAL };
    memcpy(question->data, data, size);
    if (tcs_trace_dat_child_start(&child, false, ask, question) &&
        tcs_trace_dat_child_end(&child)) {
        ret = question->answer;
    }
    if (ret >= 0) {
        memcpy(data, question->data, size);
    }
    munmap(question, all);
    return ret;
}
