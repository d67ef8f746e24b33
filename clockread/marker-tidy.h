/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sees to it that no private ftrace instance outlives its process, however
 * that ends. Two ways, because neither is enough: a helper process removes
 * them as soon as the owner is gone, and who comes next removes what is left
 * where the helper was killed too. Knows nothing of clocks or libtracefs.
 */
#ifndef CLOCKREAD_MARKER_TIDY_H
#define CLOCKREAD_MARKER_TIDY_H

#include "marker-name.h"

/* This process. Returns 0, or -errno where /proc cannot be read. */
int tcs_marker_self(struct tcs_marker_owner *ret_owner);

/* Removes instances in `dir` whose owners are gone. */
void tcs_marker_remove_stale(const char *dir);

/*
 * Starts the helper, which waits for the end of this process (or for
 * tcs_marker_watch_stop()) and then removes every instance in `dir` that is
 * this process's and of one of `clocks` (NULL-terminated). The helper ignores
 * SIGTERM and SIGINT, holds no other file open, and is no child of the caller.
 *
 * Returns a file descriptor that the helper watches, or -errno; without a
 * helper the rest works.
 */
int tcs_marker_watch_start(const char *dir, const char *const *clocks);
void tcs_marker_watch_stop(int fd);

#endif
