/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-traces.h. Reads the guest's trace twice: for what it spans, and for
 * the events in the part that is shown.
 */
#include "plot-traces.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "formats/trace-dat-guest.h"
#include "guest-vcpu.h"
#include "host-windows.h"
#include "plot-timeline.h"
#include "plot/axis.h"
#include "trace-clock.h"

typedef struct {
    const TcsPlotTracesOptions *options;
    TcsAlignment alignment; /* its log NULL: none was given */
    TcsTraceFile *host, *guest;
    TcsVmWindows *windows;
    TcsLanes *lanes;
    gboolean is_ticks;
    int *threads; /* by the host's file, where no log tells */
    int n_threads;
    char *bound;
    guint64 first, last; /* of the guest's events */
} Plot;

static void plot_clear(Plot *plot)
{
    tcs_alignment_clear(&plot->alignment);
    g_clear_pointer(&plot->host, tcs_trace_file_free);
    g_clear_pointer(&plot->guest, tcs_trace_file_free);
    g_clear_pointer(&plot->windows, tcs_vm_windows_free);
    g_clear_pointer(&plot->lanes, tcs_lanes_free);
    free(plot->threads);
    g_free(plot->bound);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plot, plot_clear)

void tcs_plot_traces_options_add(TcsPlotTracesOptions *options,
                                 GOptionContext *context)
{
    const GOptionEntry entries[] = {
        { "zoom", 0, 0, G_OPTION_ARG_STRING, &options->range.zoom,
          "show this part of the traces", "START..END" },
        { "around", 0, 0, G_OPTION_ARG_STRING, &options->range.around,
          "show what is around this time", "TIME" },
        { "width", 0, 0, G_OPTION_ARG_STRING, &options->range.width,
          "with --around: how much, such as 200us (1ms)", "WIDTH" },
        { "cpu", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->cpus,
          "show this CPU of the guest; may be given more than once", "N" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    tcs_trace_options_add(&options->files, context, "the guest's trace",
                          "the host's trace, with kvm_entry and kvm_exit");
    g_option_context_add_main_entries(context, entries, NULL);
}

void tcs_plot_traces_options_clear(TcsPlotTracesOptions *options)
{
    tcs_trace_options_clear(&options->files);
    g_free(options->range.zoom);
    g_free(options->range.around);
    g_free(options->range.width);
    g_strfreev(options->cpus);
}

gboolean tcs_plot_traces_options_any(const TcsPlotTracesOptions *options)
{
    return options->range.zoom || options->range.around ||
           options->range.width || options->cpus ||
           options->files.guest_clock || options->files.host_clock ||
           options->files.boot;
}

static void warn(const char *what)
{
    fprintf(stderr, "%s: warning: %s\n", g_get_prgname(), what);
}

/* The largest bound of all CPUs; without one a picture is possible as well. */
static void find_bound(Plot *plot)
{
    TcsAlignment *alignment = &plot->alignment;
    g_autoptr(GError) error = NULL;
    g_autofree char *length = NULL;
    guint64 bound = 0;

    if (!tcs_alignment_compute(alignment, plot->guest, &error)) {
        g_autofree char *what =
            g_strdup_printf("the picture tells no bound: %s", error->message);

        warn(what);
        return;
    }
    for (guint i = 0; i < alignment->tables->len; i++) {
        bound = MAX(bound, tcs_shift_table_bound_for(
                               g_ptr_array_index(alignment->tables, i), 0.5));
    }
    length = plot_format_length(
        tcs_trace_clock_is_counter(alignment->host_clock) ? PLOT_TICKS
                                                          : PLOT_NANOSECONDS,
        (double)bound, TRUE);
    plot->bound = g_strdup_printf(
        "the log's bound: \xc2\xb1 %s for half of the time", length);
}

/* By the host's own file. */
static gboolean find_threads(Plot *plot, GError **error)
{
    const char *path = plot->host->path;

    plot->n_threads = plot->guest->dat.has_trace_id
                          ? tcs_trace_dat_guest_threads(
                                path, plot->guest->dat.trace_id, &plot->threads)
                          : -ENOENT;
    if (plot->n_threads >= 0) {
        return TRUE;
    }
    if (plot->n_threads == -ENOENT) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s does not say which threads are the vCPUs of %s: name "
                    "the log (%s LOG --host ...), or run apply with --host "
                    "before; or are --guest and --host swapped?",
                    path, plot->guest->path, g_get_prgname());
    } else {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_FILE,
            "libtracecmd cannot read %s: %s; does `trace-cmd report -i` "
            "read it?",
            path, g_strerror(-plot->n_threads));
    }
    return FALSE;
}

static gboolean open_all(Plot *plot, const char *log, GError **error)
{
    const TcsTraceOptions *files = &plot->options->files;

    if (log &&
        !tcs_alignment_open_log(&plot->alignment, log, files->boot, error)) {
        return FALSE;
    }
    plot->host = tcs_trace_file_open(files->host, error);
    plot->guest = plot->host ? tcs_trace_file_open(files->guest, error) : NULL;
    if (!plot->guest ||
        !tcs_trace_options_set_clocks(files, plot->guest, plot->host,
                                      &plot->alignment, error)) {
        return FALSE;
    }
    plot->is_ticks = tcs_trace_clock_is_counter(plot->alignment.host_clock) &&
                     !plot->host->dat.has_tsc2nsec;
    if (!plot->guest->dat.has_time_shift) {
        warn("the guest's trace is not corrected; `trace-clock-sync apply` "
             "does that");
    }
    if (!log) {
        return find_threads(plot, error);
    }
    find_bound(plot);
    return TRUE;
}

static int on_extent(const struct tcs_trace_dat_event *event, void *data)
{
    Plot *plot = data;

    plot->first = MIN(plot->first, event->ts);
    plot->last = MAX(plot->last, event->ts);
    return 0;
}

static int on_event(const struct tcs_trace_dat_event *event, void *data)
{
    Plot *plot = data;

    tcs_lanes_add_event(plot->lanes, plot->windows, event);
    return 0;
}

static gboolean walk_guest(Plot *plot, tcs_trace_dat_event_fn *fn,
                           GError **error)
{
    return tcs_trace_file_each_event(plot->guest->path, fn, plot, error);
}

static gboolean is_wanted(const Plot *plot, guint32 cpu)
{
    g_autofree char *number = g_strdup_printf("%u", cpu);

    return !plot->options->cpus ||
           g_strv_contains((const char *const *)plot->options->cpus, number);
}

static gint compare_cpus(gconstpointer a, gconstpointer b)
{
    const guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;

    return x < y ? -1 : x > y;
}

static gboolean thread_of(Plot *plot, guint32 cpu, int *ret, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!plot->alignment.log) {
        *ret = cpu < (guint32)plot->n_threads ? plot->threads[cpu] : 0;
        return TRUE;
    }
    *ret =
        tcs_guest_join_windows(plot->alignment.log, cpu, plot->windows, &local);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return TRUE;
}

static gboolean add_lanes(Plot *plot, GError **error)
{
    const struct tcs_trace_dat *dat = &plot->guest->dat;
    g_autofree guint32 *cpus =
        g_memdup2(dat->cpus, dat->n_cpus * sizeof(dat->cpus[0]));
    guint known = 0;
    int thread;

    qsort(cpus, dat->n_cpus, sizeof(cpus[0]), compare_cpus);
    for (gsize i = 0; i < dat->n_cpus; i++) {
        if (!is_wanted(plot, cpus[i]) || (i > 0 && cpus[i] == cpus[i - 1])) {
            continue;
        }
        if (!thread_of(plot, cpus[i], &thread, error)) {
            return FALSE;
        }
        known += tcs_vm_windows_knows(plot->windows, thread);
        tcs_lanes_add_cpu(plot->lanes, plot->windows, cpus[i], thread);
    }
    if (plot->lanes->lanes->len == 0) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_USAGE,
            "--cpu: the guest's trace has no such CPU; it has %" G_GSIZE_FORMAT,
            dat->n_cpus);
        return FALSE;
    }
    if (known == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s has no kvm_entry or kvm_exit of this VM's threads: "
                    "record the host with " TCS_HOST_WINDOWS_RECORD,
                    plot->host->path);
        return FALSE;
    }
    return TRUE;
}

static gboolean set_apart(const Plot *plot, const char *what, guint64 from,
                          guint64 to, GError **error)
{
    g_autofree char *first = tcs_plot_format_stamp(from, plot->is_ticks);
    g_autofree char *last = tcs_plot_format_stamp(to, plot->is_ticks);

    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                "%s, which is from %s to %s as it is shown", what, first, last);
    return FALSE;
}

/* What the guest's trace spans, held against the host's. */
static gboolean find_extent(Plot *plot, GError **error)
{
    guint64 from, to;

    plot->first = G_MAXUINT64;
    if (!walk_guest(plot, on_extent, error)) {
        return FALSE;
    }
    if (plot->first > plot->last) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED, "%s has no event",
                    plot->guest->path);
        return FALSE;
    }
    if (!tcs_vm_windows_extent(plot->windows, &from, &to)) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_REFUSED,
            "%s has no kvm_entry or kvm_exit: record the host with " TCS_HOST_WINDOWS_RECORD,
            plot->host->path);
        return FALSE;
    }
    if (plot->last < from || plot->first > to) {
        g_autofree char *first =
            tcs_plot_format_stamp(plot->first, plot->is_ticks);
        g_autofree char *what = g_strdup_printf(
            "the guest's trace begins at %s and has no moment in common with "
            "the host's",
            first);

        return set_apart(plot, what, from, to, error);
    }
    return TRUE;
}

static gboolean draw(const Plot *plot, const TcsPlotOutput *output,
                     GError **error)
{
    const TcsLog *log = plot->alignment.log;
    const TcsLanes *lanes = plot->lanes;
    const TcsTimeline timeline = {
        .lanes = lanes,
        .windows = plot->windows,
        .vm = log ? log->vm : NULL,
        .guest_clock = plot->alignment.guest_clock,
        .host_clock = plot->alignment.host_clock,
        .is_ticks = plot->is_ticks,
        .is_corrected = plot->guest->dat.has_time_shift,
        .bound = plot->bound,
    };

    if (!tcs_plot_timeline(&timeline, output, error)) {
        return FALSE;
    }
    printf("%s: %u vCPUs, %" G_GUINT64_FORMAT " events, %" G_GUINT64_FORMAT
           " of them while their vCPU did not run\n",
           output->path, lanes->lanes->len, lanes->n_events, lanes->n_outside);
    if (lanes->has_outside) {
        g_autofree char *first =
            tcs_plot_format_stamp(lanes->first_outside, plot->is_ticks);

        printf("the first of these: --around %s\n", first);
    }
    return TRUE;
}

gboolean tcs_plot_traces(const TcsPlotTracesOptions *options, const char *log,
                         const TcsPlotOutput *output, GError **error)
{
    g_auto(Plot) plot = { .options = options };
    guint64 from, to;

    if (tcs_trace_file_is_same(options->files.host, output->path) ||
        tcs_trace_file_is_same(options->files.guest, output->path)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "the picture would replace a trace");
        return FALSE;
    }
    if (!tcs_trace_options_check(&options->files, error) ||
        !open_all(&plot, log, error)) {
        return FALSE;
    }
    plot.windows = tcs_host_windows_read(plot.host->path, error);
    if (!plot.windows || !find_extent(&plot, error) ||
        !tcs_plot_range(&options->range, plot.is_ticks, plot.first, plot.last,
                        &from, &to, error)) {
        return FALSE;
    }
    if (to < plot.first || from > plot.last) {
        return set_apart(&plot, "nothing is there of the guest's trace",
                         plot.first, plot.last, error);
    }
    plot.lanes = tcs_lanes_new(from, to, TCS_PLOT_TIMELINE_COLUMNS);
    return add_lanes(&plot, error) && walk_guest(&plot, on_event, error) &&
           draw(&plot, output, error);
}
