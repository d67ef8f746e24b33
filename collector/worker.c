/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See worker.h. A job belongs to whoever holds a reference: the queue or the
 * thread, and the timer until it is done. Its task is answered in the main
 * context only, so that the deadline and the end of the work cannot race.
 */
#include "worker.h"

#include "error.h"

static gint any_started; /* atomic */

struct TcsWorker {
    char *name;
    GAsyncQueue *jobs;
    gboolean started;
};

typedef struct {
    TcsWork work;
    gpointer data;
    GDestroyNotify free_data;
    GDestroyNotify free_result;
    gpointer result;
    GError *error;
    GTask *task; /* NULL: answered; touched in its context only */
    GMainContext *context;
    GSource *timer;
    GAsyncQueue *queue;
    gboolean is_last;
} Job;

static void job_clear(gpointer data)
{
    Job *job = data;

    if (job->free_data) {
        job->free_data(job->data);
    }
    if (job->result) {
        job->free_result(job->result);
    }
    g_clear_error(&job->error);
    g_clear_object(&job->task);
    g_clear_pointer(&job->context, g_main_context_unref);
    g_clear_pointer(&job->queue, g_async_queue_unref);
}

static void job_unref(gpointer job)
{
    g_atomic_rc_box_release_full(job, job_clear);
}

static void drop_timer(Job *job)
{
    if (job->timer) {
        g_source_destroy(job->timer);
        g_clear_pointer(&job->timer, g_source_unref);
    }
}

static gboolean on_done(gpointer data)
{
    Job *job = data;
    g_autoptr(GTask) task = g_steal_pointer(&job->task);

    drop_timer(job);
    if (task && job->error) {
        g_task_return_error(task, g_steal_pointer(&job->error));
    } else if (task) {
        g_task_return_pointer(task, g_steal_pointer(&job->result),
                              job->free_result);
    }
    return G_SOURCE_REMOVE;
}

static gboolean on_deadline(gpointer data)
{
    Job *job = data;
    g_autoptr(GTask) task = g_steal_pointer(&job->task);

    g_clear_pointer(&job->timer, g_source_unref);
    if (g_async_queue_remove(job->queue, job)) {
        job_unref(job);
    }
    if (task) {
        g_task_return_new_error(task, TCS_ERROR, TCS_ERROR_TIMEOUT, "%s", "");
    }
    return G_SOURCE_REMOVE;
}

/* Consumes the thread's reference. Not g_main_context_invoke(): that would run
 * on_done() here where the context is idle. */
static void hand_back(Job *job)
{
    g_autoptr(GSource) source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, on_done, job, job_unref);
    g_source_attach(source, job->context);
}

static gpointer thread_main(gpointer data)
{
    g_autoptr(GAsyncQueue) jobs = data;
    gboolean is_last = FALSE;

    while (!is_last) {
        Job *job = g_async_queue_pop(jobs);

        is_last = job->is_last;
        if (job->work) {
            job->result = job->work(job->data, &job->error);
            hand_back(job);
        } else {
            job_unref(job);
        }
    }
    return NULL;
}

TcsWorker *tcs_worker_new(const char *name)
{
    TcsWorker *worker = g_new0(TcsWorker, 1);

    worker->name = g_strdup(name);
    worker->jobs = g_async_queue_new();
    return worker;
}

void tcs_worker_free(TcsWorker *worker, GDestroyNotify last, gpointer data)
{
    Job *job = g_atomic_rc_box_new0(Job);

    job->is_last = TRUE;
    job->free_data = last;
    job->data = data;
    if (worker->started) {
        g_async_queue_push(worker->jobs, job);
    } else {
        job_unref(job);
    }
    g_async_queue_unref(worker->jobs);
    g_free(worker->name);
    g_free(worker);
}

void tcs_worker_run_async(TcsWorker *worker, TcsWork work, gpointer data,
                          GDestroyNotify free_data, GDestroyNotify free_result,
                          gint64 deadline, GAsyncReadyCallback callback,
                          gpointer user_data)
{
    Job *job = g_atomic_rc_box_new0(Job);

    job->work = work;
    job->data = data;
    job->free_data = free_data;
    job->free_result = free_result;
    job->task = g_task_new(NULL, NULL, callback, user_data);
    job->context = g_main_context_ref_thread_default();
    job->queue = g_async_queue_ref(worker->jobs);
    job->timer = g_timeout_source_new(0);
    g_source_set_ready_time(job->timer, deadline);
    g_source_set_callback(job->timer, on_deadline, g_atomic_rc_box_acquire(job),
                          job_unref);
    g_source_attach(job->timer, job->context);

    if (!worker->started) {
        worker->started = TRUE;
        g_atomic_int_set(&any_started, TRUE);
        g_thread_unref(g_thread_new(worker->name, thread_main,
                                    g_async_queue_ref(worker->jobs)));
    }
    g_async_queue_push(worker->jobs, job);
}

gpointer tcs_worker_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void take_result(GObject *source, GAsyncResult *result, gpointer data)
{
    *(GAsyncResult **)data = g_object_ref(result);
}

gpointer tcs_worker_run_and_wait(TcsWork work, gpointer data,
                                 GDestroyNotify free_data,
                                 GDestroyNotify free_result, guint timeout_ms,
                                 GError **error)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GAsyncResult) result = NULL;
    TcsWorker *worker = tcs_worker_new("libvirt-once");

    g_main_context_push_thread_default(context);
    tcs_worker_run_async(worker, work, data, free_data, free_result,
                         g_get_monotonic_time() + (gint64)timeout_ms * 1000,
                         take_result, &result);
    while (!result) {
        g_main_context_iteration(context, TRUE);
    }
    g_main_context_pop_thread_default(context);
    tcs_worker_free(worker, NULL, NULL);
    return tcs_worker_run_finish(result, error);
}

gboolean tcs_worker_was_any_started(void)
{
    return g_atomic_int_get(&any_started);
}
