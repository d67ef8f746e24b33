/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens a trace.dat with libtracecmd, which dies of some damaged ones: of
 * 3.1.6's tracecmd_open() it was seen where the header does not parse.
 */
#ifndef FORMATS_TRACE_DAT_OPEN_H
#define FORMATS_TRACE_DAT_OPEN_H

#include <stddef.h>

struct tracecmd_input;

/*
 * NULL where the file cannot be read. Tried in a child process first. The
 * caller closes it with tracecmd_close().
 */
struct tracecmd_input *tcs_trace_dat_open(const char *path);

/* The same without a trial, for a process that may die. */
struct tracecmd_input *tcs_trace_dat_open_here(const char *path);

enum tcs_trace_dat_child {
    TCS_TRACE_DAT_CHILD_DONE,   /* the function returned 0 */
    TCS_TRACE_DAT_CHILD_FAILED, /* or something else */
    TCS_TRACE_DAT_CHILD_DIED,   /* or never, or not in a minute of CPU time */
    TCS_TRACE_DAT_CHILD_NONE,   /* there is no process to be had */
};

/*
 * Runs a function in a process of its own, where nothing that it prints is
 * seen. What it found is left in memory that both share.
 */
enum tcs_trace_dat_child tcs_trace_dat_in_child(int (*fn)(void *data),
                                                void *data);

typedef int tcs_trace_dat_ask_fn(struct tracecmd_input *handle, void *data);

/*
 * What the function, called in such a process with the open file and a copy of
 * the `size` bytes at `data`, returns. What it made of them is copied back if
 * that is no negative errno. -EINVAL where the file cannot be read so.
 */
int tcs_trace_dat_ask(const char *path, tcs_trace_dat_ask_fn *fn, void *data,
                      size_t size);

#endif
