/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine's own clocks that no system call reads, as far as they were
 * asked for by name: `perf` and `global` by the perf page's formula where the
 * kernel gives one, the others through a private ftrace instance each, which
 * takes root and some of the kernel's memory.
 */
#ifndef COLLECTOR_HOST_CLOCKS_H
#define COLLECTOR_HOST_CLOCKS_H

#include <glib.h>

#include "clockread/posix-clock.h"

G_BEGIN_DECLS

typedef struct TcsHostClocks TcsHostClocks;

/*
 * Opens the clocks of these names (host-clock-name.h); NULL: none. "local"
 * stands for that of every CPU this process may run on. What clock_gettime()
 * reads, and the counter, are accepted and need nothing opened; a clock that is
 * a count is opened only with `counts`.
 *
 * To be called before there are threads, because it forks a helper (which
 * removes the instances should this process be killed); the last reference is
 * dropped in the same thread. TCS_ERROR_USAGE for a name or a CPU that is not
 * there, TCS_ERROR_REFUSED with what to do for a clock that cannot be opened.
 */
TcsHostClocks *tcs_host_clocks_open(char **names, gboolean counts,
                                    GError **error);
TcsHostClocks *tcs_host_clocks_ref(TcsHostClocks *clocks);
void tcs_host_clocks_unref(TcsHostClocks *clocks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsHostClocks, tcs_host_clocks_unref)

/*
 * All names that were given, each once, "local" as "local@0", "local@1", ...;
 * NULL-terminated. NULL where none were given. Belongs to `clocks`, which may
 * be NULL.
 */
const char *const *tcs_host_clocks_names(const TcsHostClocks *clocks);

/* How many were opened, and what they are called. `clocks` may be NULL. */
guint tcs_host_clocks_count(const TcsHostClocks *clocks);
const char *tcs_host_clocks_name(const TcsHostClocks *clocks, guint i);

/*
 * Reads the i-th one a few times, with the calling thread held on one CPU, and
 * keeps the tightest; a count is in value_ns. FALSE where that failed:
 * tcs_host_clocks_reason() says why. One thread at a time.
 */
gboolean tcs_host_clocks_read(TcsHostClocks *clocks, guint i,
                              struct tcs_clock_sample *ret_sample);

/* Whether a clock of that name was opened. `clocks` may be NULL. */
gboolean tcs_host_clocks_has(const TcsHostClocks *clocks, const char *name);

/*
 * Why a clock could not be read when that was tried last; NULL where it could,
 * or is none of these. `clocks` may be NULL.
 */
const char *tcs_host_clocks_reason(const TcsHostClocks *clocks,
                                   const char *name);

G_END_DECLS

#endif
