/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a trace.dat with libtracecmd, which dies of some damaged ones, loops in
 * others, and takes any memory: so always in a process of its own.
 */
#ifndef FORMATS_TRACE_DAT_OPEN_H
#define FORMATS_TRACE_DAT_OPEN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tracecmd_input;

struct tcs_trace_dat_child {
    pid_t pid;
    struct sigaction before;
};

/*
 * Runs a function in a process of its own, which ends where it returns, with
 * us, and after a minute of CPU time (see tcs_trace_dat_child_more()). What
 * libtracecmd prints there is seen only if is_heard. False where there is no
 * process to be had; else tcs_trace_dat_child_end() is to follow.
 */
bool tcs_trace_dat_child_start(struct tcs_trace_dat_child *child, bool is_heard,
                               int (*fn)(void *data), void *data);

/* In the child: another minute from now on. */
void tcs_trace_dat_child_more(void);

/* Waits for its end; true where the function returned 0. */
bool tcs_trace_dat_child_end(struct tcs_trace_dat_child *child);

/* In a child: NULL where the file cannot be read. */
struct tracecmd_input *tcs_trace_dat_open_here(const char *path);

typedef int tcs_trace_dat_ask_fn(struct tracecmd_input *handle, void *data);

/*
 * What the function, called in a child with the open file and a copy of the
 * `size` bytes at `data`, returns. What it made of them is copied back if that
 * is no negative errno. -EINVAL where the file cannot be read so.
 */
int tcs_trace_dat_ask(const char *path, tcs_trace_dat_ask_fn *fn, void *data,
                      size_t size);

#endif
