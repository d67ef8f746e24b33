/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-dat-open.h.
 */
#include "trace-dat-open.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <trace-cmd.h>
#include <unistd.h>

/* The child's status where the function fails, and lives. A sanitizer makes a
 * status of its own of a signal. */
#define FAILED          42
#define CPU_SECONDS_MAX 60
/* A file may declare, and compress, any size. */
#define DATA_BYTES_MAX ((rlim_t)1 << 30)
/* With what we keep of all events besides. */
#define OWN_DATA_BYTES_MAX ((rlim_t)1 << 32)

/* Plugins only format what is printed. */
struct tracecmd_input *tcs_trace_dat_open_here(const char *path)
{
    return tracecmd_open(path, TRACECMD_FL_LOAD_NO_PLUGINS |
                                   TRACECMD_FL_LOAD_NO_SYSTEM_PLUGINS);
}

static void __attribute__((noreturn))
run_child(pid_t parent, int (*fn)(void *data), void *data)
{
    const struct rlimit no_core = { 0, 0 };
    const struct rlimit time = { CPU_SECONDS_MAX, CPU_SECONDS_MAX };

    /* It shares the locks of files: it must not outlive who took them. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(FAILED);
    }
#ifndef __SANITIZE_ADDRESS__ /* it takes terabytes of addresses */
    setrlimit(RLIMIT_DATA,
              &(const struct rlimit){ DATA_BYTES_MAX, DATA_BYTES_MAX });
#endif
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_CPU, &time);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    _exit(fn(data) ? FAILED : 0);
}

static enum tcs_trace_dat_child wait_for(pid_t child)
{
    int status;

    if (child < 0) {
        return TCS_TRACE_DAT_CHILD_NONE;
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return TCS_TRACE_DAT_CHILD_NONE;
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return TCS_TRACE_DAT_CHILD_DONE;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == FAILED
               ? TCS_TRACE_DAT_CHILD_FAILED
               : TCS_TRACE_DAT_CHILD_DIED;
}

enum tcs_trace_dat_child tcs_trace_dat_in_child(int (*fn)(void *data),
                                                void *data)
{
    const struct sigaction by_default = { .sa_handler = SIG_DFL };
    const pid_t parent = getpid();
    struct sigaction before;
    enum tcs_trace_dat_child how;
    pid_t child;

    /* Where it is ignored, as some launchers leave it, nothing is waited for.
     */
    sigaction(SIGCHLD, &by_default, &before);
    child = fork();
    if (child == 0) {
        run_child(parent, fn, data);
    }
    how = wait_for(child);
    sigaction(SIGCHLD, &before, NULL);
    return how;
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
    int ret = -EINVAL;

    if (question == MAP_FAILED) {
        return ret;
    }
    *question = (struct question){ path, fn, -EINVAL };
    memcpy(question->data, data, size);
    if (tcs_trace_dat_in_child(ask, question) == TCS_TRACE_DAT_CHILD_DONE) {
        ret = question->answer;
    }
    if (ret >= 0) {
        memcpy(data, question->data, size);
    }
    munmap(question, all);
    return ret;
}

static int try_to_open(void *data)
{
    return tcs_trace_dat_open_here(data) ? 0 : -1;
}

/* What it keeps of a compressed file is for as long as the file is open. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
    struct rlimit limit;

    if (getrlimit(RLIMIT_DATA, &limit) == 0 &&
        limit.rlim_cur > OWN_DATA_BYTES_MAX) {
        limit.rlim_cur = OWN_DATA_BYTES_MAX;
        setrlimit(RLIMIT_DATA, &limit);
    }
#endif
}

struct tracecmd_input *tcs_trace_dat_open(const char *path)
{
    const enum tcs_trace_dat_child how =
        tcs_trace_dat_in_child(try_to_open, (void *)path);

    limit_memory();
    /* What the library has to say of the file it says when it opens it here. */
    return how == TCS_TRACE_DAT_CHILD_DIED || how == TCS_TRACE_DAT_CHILD_NONE
               ? NULL
               : tcs_trace_dat_open_here(path);
}
