/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync check`: the referee. A guest cannot do anything while its
 * vCPU's thread is outside of it, so an event that is shown there has a wrong
 * time. Judges the files as every reader shows them, whoever corrected them.
 */
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "formats/trace-dat-events.h"
#include "guest-vcpu.h"
#include "host-windows.h"
#include "target-options.h"
#include "trace-clock.h"
#include "trace-options.h"
#include "vm-windows.h"

/* Violations that are printed one by one. */
#define SHOWN_MAX 10

/* The smallest distance seen, and whose. */
typedef struct {
    guint64 distance;
    guint64 ts;
    int cpu;
} Slack;

typedef struct {
    TcsAlignment alignment;
    TcsTraceFile *guest;
    TcsTraceFile *host;
    TcsVmWindows *windows;
    GHashTable *threads; /* guest CPU -> thread id */
    const char *unit;

    guint64 judged;
    guint64 unknown;
    guint64 outside;
    guint64 beyond; /* of those, by more than the bound there */
    guint64 worst;
    Slack entry, exit;
    /* An error as large as the bound would have shown at so many events. */
    guint64 early_would_show, late_would_show;
    GError *error;
} Check;

static void check_clear(Check *check)
{
    g_clear_pointer(&check->windows, tcs_vm_windows_free);
    g_clear_pointer(&check->threads, g_hash_table_unref);
    g_clear_pointer(&check->host, tcs_trace_file_free);
    g_clear_pointer(&check->guest, tcs_trace_file_free);
    tcs_alignment_clear(&check->alignment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Check, check_clear)

static gboolean parse_options(int *argc, char ***argv, TcsTraceOptions *ret,
                              GError **error)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("LOG --guest FILE --host FILE");

    tcs_trace_options_add(ret, context, "the guest's trace, corrected",
                          "the host's trace, with kvm_entry and kvm_exit");
    g_option_context_set_summary(
        context, "Tries to prove a correction wrong: every event of the guest "
                 "must lie\nwhere its vCPU's thread was inside the guest.");
    g_option_context_set_description(
        context,
        "Exit status 4 where an event does not. On ppc64 KVM's events are\n"
        "kvm_hv:kvm_guest_enter and kvm_hv:kvm_guest_exit.\n\n"
        "Example:\n"
        "  trace-cmd record -e kvm:kvm_entry -e kvm:kvm_exit -C mono \\\n"
        "      -o host.dat\n"
        "  trace-clock-sync check run.tcs --guest guest.dat --host host.dat\n");
    if (!tcs_trace_options_parse(context, argc, argv, error)) {
        return FALSE;
    }
    if (*argc != 2 || !ret->guest || !ret->host) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "check takes a log, --guest and --host; see %s --help",
                    g_get_prgname());
        return FALSE;
    }
    return tcs_trace_options_check(ret, error);
}

/*
 * The log's bound for an event, in the unit that readers show; its stamp is
 * taken back to the host's clock where they convert that to nanoseconds.
 */
static guint64 bound_at(const Check *check,
                        const struct tcs_trace_dat_event *event)
{
    const struct tcs_trace_dat *host = &check->host->dat;
    const struct tcs_trace_dat *guest = &check->guest->dat;
    const unsigned shift = host->tsc_shift & 63;
    guint64 shown = event->ts - (guint64)host->ts_offset_ns;
    guint64 bound = G_MAXUINT64;

    if (host->has_tsc2nsec) {
        shown = (guint64)(((unsigned __int128)shown << shift) / host->tsc_mult);
    }
    for (gsize i = 0; i < guest->n_cpus; i++) {
        if (guest->cpus[i] == (guint32)event->cpu) {
            bound =
                tcs_shift_table_bound_at(check->alignment.cpu_tables[i], shown);
        }
    }
    return host->has_tsc2nsec && bound != G_MAXUINT64
               ? (guint64)(((unsigned __int128)bound * host->tsc_mult >>
                            shift) +
                           1)
               : bound;
}

static gboolean open_all(Check *check, const char *log,
                         const TcsTraceOptions *options, GError **error)
{
    TcsAlignment *alignment = &check->alignment;

    if (!tcs_alignment_open_log(alignment, log, options->boot, error)) {
        return FALSE;
    }
    check->host = tcs_trace_file_open(options->host, error);
    check->guest =
        check->host ? tcs_trace_file_open(options->guest, error) : NULL;
    if (!check->guest ||
        !tcs_trace_options_set_clocks(options, check->guest, check->host,
                                      alignment, error)) {
        return FALSE;
    }
    if (!tcs_alignment_compute(alignment, check->guest, error)) {
        return FALSE;
    }
    check->unit = tcs_trace_clock_is_counter(alignment->host_clock) &&
                          !check->host->dat.has_tsc2nsec
                      ? "ticks"
                      : "ns";
    return TRUE;
}

/*
 * The thread of a guest's CPU, or the number of several joined; 0 and the error
 * set where there is none.
 */
static int find_thread(Check *check, int cpu)
{
    gpointer found;
    int thread;

    if (g_hash_table_lookup_extended(check->threads, GINT_TO_POINTER(cpu), NULL,
                                     &found)) {
        return GPOINTER_TO_INT(found);
    }
    thread = tcs_guest_join_windows(check->alignment.log, cpu, check->windows,
                                    &check->error);
    if (check->error) {
        return 0;
    }
    if (!tcs_vm_windows_knows(check->windows, thread)) {
        g_autofree char *name = thread < 0
                                    ? g_strdup("any of the threads")
                                    : g_strdup_printf("thread %d", thread);

        g_set_error(
            &check->error, TCS_ERROR, TCS_ERROR_REFUSED,
            "%s has no kvm_entry or kvm_exit of %s that the log names for the "
            "guest's CPU %d: is it of this VM and of this time, and are --guest "
            "and --host not swapped? Record the host with " TCS_HOST_WINDOWS_RECORD
            " (on ppc64: kvm_hv:kvm_guest_enter and kvm_hv:kvm_guest_exit)",
            check->host->path, name, cpu);
        return 0;
    }
    g_hash_table_insert(check->threads, GINT_TO_POINTER(cpu),
                        GINT_TO_POINTER(thread));
    return thread;
}

static void note_slack(Slack *slack, guint64 distance,
                       const struct tcs_trace_dat_event *event)
{
    if (distance < slack->distance) {
        *slack = (Slack){ distance, event->ts, event->cpu };
    }
}

static int on_guest_event(const struct tcs_trace_dat_event *event, void *data)
{
    Check *check = data;
    int thread = find_thread(check, event->cpu);
    guint64 after, before, bound, miss;

    if (!thread) {
        return 1;
    }
    bound = bound_at(check, event);
    switch (tcs_vm_windows_place(check->windows, thread, event->ts, &after,
                                 &before)) {
    case TCS_VM_UNKNOWN:
        check->unknown++;
        break;
    case TCS_VM_INSIDE:
        check->judged++;
        note_slack(&check->entry, after, event);
        note_slack(&check->exit, before, event);
        /* Where nothing is claimed nothing can be refuted. */
        check->early_would_show += bound != G_MAXUINT64 && after < bound;
        check->late_would_show += bound != G_MAXUINT64 && before < bound;
        break;
    case TCS_VM_OUTSIDE:
        check->judged++;
        check->outside++;
        miss = MIN(after, before);
        check->beyond += miss > bound;
        check->worst = MAX(check->worst, miss);
        if (check->outside <= SHOWN_MAX) {
            printf("outside: %s on CPU %d at %" PRIu64 ": %" PRIu64
                   " %s after an exit, %" PRIu64 " before the next entry\n",
                   *event->name ? event->name : "event", event->cpu, event->ts,
                   after, check->unit, before);
        }
        break;
    }
    return 0;
}

static gboolean walk(Check *check, GError **error)
{
    if (!tcs_trace_file_each_event(check->guest->path, on_guest_event, check,
                                   error)) {
        return FALSE;
    }
    if (check->error) {
        g_propagate_error(error, g_steal_pointer(&check->error));
        return FALSE;
    }
    return TRUE;
}

/* Whether the data could have shown that the bound is broken. */
static void report_power(const Check *check)
{
    const guint64 early = check->entry.distance, late = check->exit.distance;

    if (check->judged == check->outside) {
        return;
    }
    printf("tightest: %" PRIu64 " %s after an entry (CPU %d at %" PRIu64
           "), %" PRIu64 " %s before an exit (CPU %d at %" PRIu64 ")\n",
           early, check->unit, check->entry.cpu, check->entry.ts, late,
           check->unit, check->exit.cpu, check->exit.ts);
    printf("an error as large as the log's bound would have shown at %" PRIu64
           " events where it is too early, at %" PRIu64
           " where too late: these traces %s\n",
           check->early_would_show, check->late_would_show,
           check->early_would_show && check->late_would_show
               ? "could have refuted the bound"
           : check->early_would_show || check->late_would_show
               ? "could have refuted one side of the bound"
               : "are too coarse to refute the bound");
}

/* Behind all else that is said, as it mostly is the cause. */
static char *tell_uncorrected(const Check *check)
{
    return check->guest->dat.has_time_shift
               ? g_strdup("")
               : g_strdup_printf(
                     ". %s is not corrected; `trace-clock-sync apply` does that",
                     check->guest->path);
}

static gboolean judge(const Check *check, GError **error)
{
    g_autofree char *cause = tell_uncorrected(check);

    if (check->outside > 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%" PRIu64 " of %" PRIu64
                    " events are shown while their vCPU was not running, by up "
                    "to %" PRIu64 " %s; %" PRIu64
                    " by more than the bound of this log%s",
                    check->outside, check->judged, check->worst, check->unit,
                    check->beyond, cause);
        return FALSE;
    }
    if (check->judged == 0) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "nothing could be judged: the traces do not overlap as they "
            "are shown, or the host's has no events of this VM%s",
            cause);
        return FALSE;
    }
    printf("good: %" PRIu64 " events, 0 outside: each is shown while its vCPU "
           "was running%s\n",
           check->judged, cause);
    return TRUE;
}

static gboolean report(const Check *check, GError **error)
{
    /* The end of the list that was printed event by event. */
    if (check->outside > SHOWN_MAX) {
        printf("outside: %" PRIu64 " more\n", check->outside - SHOWN_MAX);
    }
    printf("%s: %" PRIu64 " events judged, %" PRIu64
           " not: the host's trace does not say where the vCPU was\n",
           check->guest->path, check->judged, check->unknown);
    report_power(check);
    return judge(check, error);
}

static int run(int argc, char **argv, GError **error)
{
    g_auto(TcsTraceOptions) options = { 0 };
    g_auto(Check) check = {
        .threads = g_hash_table_new(NULL, NULL),
        .entry = { .distance = G_MAXUINT64 },
        .exit = { .distance = G_MAXUINT64 },
    };

    if (!parse_options(&argc, &argv, &options, error)) {
        return TCS_ERROR_USAGE;
    }
    if (!open_all(&check, argv[1], &options, error)) {
        return tcs_error_exit_status(*error);
    }
    check.windows = tcs_host_windows_read(check.host->path, error);
    if (!check.windows || !walk(&check, error) || !report(&check, error)) {
        return tcs_error_exit_status(*error);
    }
    return 0;
}

const TcsVerb tcs_verb_check = {
    .name = "check",
    .summary = "try to prove wrong how a guest's trace was corrected",
    .run = run,
};
