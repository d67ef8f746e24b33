/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread for calls that block and cannot be cancelled: each gets a deadline,
 * and is left to itself where it misses it. Knows nothing of what it calls.
 */
#ifndef COLLECTOR_WORKER_H
#define COLLECTOR_WORKER_H

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct TcsWorker TcsWorker;

/* Runs in the thread. NULL and an error, or a result. */
typedef gpointer (*TcsWork)(gpointer data, GError **error);

/* The thread is started with the first work. */
TcsWorker *tcs_worker_new(const char *name);

/*
 * Runs `last` (with `data`) after all other work, then ends the thread. Does
 * not wait for either.
 */
void tcs_worker_free(TcsWorker *worker, GDestroyNotify last, gpointer data);

/*
 * Work is done first in, first out. `data` and a result that nobody waits for
 * any more are freed by their functions, perhaps in the thread. Where the
 * deadline (g_get_monotonic_time()) passes first: TCS_ERROR_TIMEOUT, with an
 * empty message; work that has not begun by then is never done, and so a
 * worker that is stuck holds one call only.
 */
void tcs_worker_run_async(TcsWorker *worker, TcsWork work, gpointer data,
                          GDestroyNotify free_data, GDestroyNotify free_result,
                          gint64 deadline, GAsyncReadyCallback callback,
                          gpointer user_data);
gpointer tcs_worker_run_finish(GAsyncResult *result, GError **error);

/*
 * Does the work in a thread of its own and waits for it, until the time limit.
 * Errors as above.
 */
gpointer tcs_worker_run_and_wait(TcsWork work, gpointer data,
                                 GDestroyNotify free_data,
                                 GDestroyNotify free_result, guint timeout_ms,
                                 GError **error);

/*
 * Whether any thread has been started. Such a process ends with _exit(): nobody
 * waits for the threads, and what a library tidies up in exit() is taken from
 * one that is still in its call (OpenSSL under virConnectClose(), for one).
 */
gboolean tcs_worker_was_any_started(void);

G_END_DECLS

#endif
