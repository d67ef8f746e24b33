/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See trace-sides.h.
 */
#include "trace-sides.h"

#include <stdio.h>

#include "error.h"
#include "formats/trace-dat-glance.h"
#include "host-windows.h"

/* Events of all CPUs together that are looked at for any entry into a guest. */
#define GLANCE_EVENTS (1u << 16)
/* And for this VM's where others' are found: its own may idle at first. */
#define SEARCH_EVENTS (1u << 23)

/* Threads that a message lists. */
#define LISTED_MAX 8

/* A child process fills it in: it has no memory of its own. */
typedef struct {
    const GArray *ours; /* of int; only read there */
    guint events;
    int our_thread; /* one of them that entered or left a guest, or 0 */
    int others[LISTED_MAX + 1];
    guint n_others;
} Look;

typedef enum {
    SIDE_UNKNOWN,       /* no entries, or unreadable */
    SIDE_OURS,          /* the host's, of this VM */
    SIDE_OTHERS,        /* the host's, of other VMs alone */
    SIDE_OTHERS_SO_FAR, /* likewise, but not all was looked at */
} Side;

static gboolean has(const int *threads, guint n, int thread)
{
    for (guint i = 0; i < n; i++) {
        if (threads[i] == thread) {
            return TRUE;
        }
    }
    return FALSE;
}

static void add_threads(GArray *threads, const TcsQmpReply *reply)
{
    /* Under another accelerator they enter nothing. */
    for (guint i = 0; g_str_equal(reply->accel, "kvm") && i < reply->vcpus->len;
         i++) {
        const int thread =
            (int)g_array_index(reply->vcpus, TcsVcpu, i).thread_id;

        if (thread > 0 &&
            !has((const int *)(void *)threads->data, threads->len, thread)) {
            g_array_append_val(threads, thread);
        }
    }
}

/* All that ever ran a vCPU: a QEMU that was started anew has new ones. */
static GArray *list_threads(const TcsLog *log)
{
    GArray *threads = g_array_new(FALSE, FALSE, sizeof(int));

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);

        add_threads(threads, sample->qmp_before);
        add_threads(threads, sample->qmp_after);
    }
    return threads;
}

static int on_event(const struct tcs_trace_dat_event *event, void *data)
{
    Look *look = data;
    gboolean is_entry;

    look->events++;
    if (tcs_host_windows_is_crossing(event, &is_entry)) {
        if (has((const int *)(void *)look->ours->data, look->ours->len,
                event->pid)) {
            look->our_thread = event->pid;
            return 1;
        }
        if (look->n_others < G_N_ELEMENTS(look->others) &&
            !has(look->others, look->n_others, event->pid)) {
            look->others[look->n_others++] = event->pid;
        }
    }
    return look->events >= (look->n_others ? SEARCH_EVENTS : GLANCE_EVENTS);
}

static Side look_at(const TcsTraceFile *file, Look *look)
{
    const int ret = tcs_trace_dat_glance(file->path, &file->dat, on_event, look,
                                         sizeof(*look));

    if (ret < 0 || (!look->our_thread && !look->n_others)) {
        return SIDE_UNKNOWN;
    }
    return look->our_thread ? SIDE_OURS
           : ret == 0       ? SIDE_OTHERS
                            : SIDE_OTHERS_SO_FAR;
}

static char *describe(const int *threads, guint n)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < n && i < LISTED_MAX; i++) {
        g_string_append_printf(text, "%s%d", i ? ", " : "", threads[i]);
    }
    return g_string_free(
        g_string_append(text, n > LISTED_MAX ? " and others" : ""), FALSE);
}

/* What a host's trace that has other VMs' threads alone says. */
static char *describe_others(const TcsLog *log, const TcsTraceFile *host,
                             const Look *look)
{
    g_autofree char *others = describe(look->others, look->n_others);
    g_autofree char *ours =
        describe((const int *)(void *)look->ours->data, look->ours->len);

    return g_strdup_printf("%s has entries into guests, of threads %s, and "
                           "none of VM %s's (%s)",
                           host->path, others, log->vm, ours);
}

static gboolean check_host(const TcsLog *log, const TcsTraceFile *host,
                           Side side, const Look *look, GError **error)
{
    g_autofree char *what = NULL;

    if (side != SIDE_OTHERS && side != SIDE_OTHERS_SO_FAR) {
        return TRUE;
    }
    what = describe_others(log, host, look);
    if (side == SIDE_OTHERS) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s: is it the log of this VM? Name the one that `record` "
                    "wrote of it meanwhile. Where QEMU runs in a container its "
                    "threads have other numbers in the host's trace: leave "
                    "out --host, and say --host-clock %s",
                    what, host->dat.clock);
        return FALSE;
    }
    fprintf(stderr,
            "%s: warning: %s among its first %u events: is it the log of this "
            "VM? `trace-clock-sync check` tells\n",
            g_get_prgname(), what, look->events);
    return TRUE;
}

gboolean tcs_trace_sides_check(const TcsLog *log, const TcsTraceFile *guest,
                               const TcsTraceFile *host, GError **error)
{
    g_autoptr(GArray) ours = list_threads(log);
    Look at_host = { .ours = ours }, at_guest = { .ours = ours };
    Side side = SIDE_UNKNOWN;

    if (ours->len == 0) {
        return TRUE;
    }
    if (host) {
        side = look_at(host, &at_host);
    }
    /* A guest that has guests may have a thread of the same number. */
    if (side != SIDE_OURS && look_at(guest, &at_guest) == SIDE_OURS) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s is the host's trace: thread %d, which runs a vCPU of "
                    "VM %s, enters the guest in it. Are --guest and --host "
                    "swapped? Give as --guest the trace that was recorded in "
                    "the guest",
                    guest->path, at_guest.our_thread, log->vm);
        return FALSE;
    }
    return check_host(log, host, side, &at_host, error);
}
