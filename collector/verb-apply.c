/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync apply`: writes into a guest's trace.dat how its stamps
 * become the host's, so that unmodified readers show both on one timeline.
 */
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "coverage.h"
#include "error.h"
#include "formats/trace-dat-guest.h"
#include "guest-vcpu.h"
#include "target-options.h"
#include "trace-clock.h"
#include "trace-options.h"
#include "trace-sides.h"

typedef struct {
    TcsTraceOptions traces;
    char *output, *host_output; /* copies to make, or NULL */
} Options;

typedef struct {
    TcsAlignment alignment;
    TcsTraceFile *guest;
    TcsTraceFile *host;    /* NULL where none was given */
    gboolean is_host_left; /* it is not to be extended */
} Apply;

static void apply_clear(Apply *apply)
{
    g_clear_pointer(&apply->host, tcs_trace_file_free);
    g_clear_pointer(&apply->guest, tcs_trace_file_free);
    tcs_alignment_clear(&apply->alignment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Apply, apply_clear)

static void options_clear(Options *options)
{
    tcs_trace_options_clear(&options->traces);
    g_free(options->output);
    g_free(options->host_output);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean check_options(const Options *options, GError **error)
{
    const TcsTraceOptions *traces = &options->traces;
    const char *wrong = NULL;

    if (!traces->guest) {
        wrong =
            "--guest is missing: which trace.dat was recorded in the guest?";
    } else if (!traces->host && !traces->host_clock) {
        wrong = "--host is missing. Without the host's trace.dat, say with "
                "--host-clock what clock it was recorded with";
    } else if (options->host_output && !traces->host) {
        wrong = "--host-output takes --host";
    } else if (options->output && options->host_output &&
               tcs_trace_file_is_same_place(options->output,
                                            options->host_output)) {
        wrong = "--output and --host-output are one file";
    } else if (traces->host &&
               tcs_trace_file_is_same(traces->guest, traces->host)) {
        wrong = "--guest and --host are one file";
    }
    if (wrong) {
        g_set_error_literal(error, TCS_ERROR, TCS_ERROR_USAGE, wrong);
    }
    return !wrong;
}

static gboolean parse_options(int *argc, char ***argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &ret->output,
          "write the guest's trace anew and leave both files alone", "FILE" },
        { "host-output", 0, 0, G_OPTION_ARG_FILENAME, &ret->host_output,
          "write the host's trace anew", "FILE" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("LOG --guest FILE [--host FILE] [-o FILE]");

    tcs_trace_options_add(&ret->traces, context,
                          "the guest's trace, which is extended",
                          "the host's trace, which learns of the guest's "
                          "threads");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Puts a guest's trace.dat on the host's timeline, for "
                 "trace-cmd report and KernelShark.");
    g_option_context_set_description(
        context,
        "The files are extended in place; a kill at any instant leaves them\n"
        "valid. What was corrected before is corrected anew.\n\n"
        "Example:\n"
        "  trace-clock-sync apply run.tcs --guest guest.dat --host host.dat\n"
        "  trace-cmd report -i host.dat -i guest.dat\n");
    if (!tcs_trace_options_parse(context, argc, argv, error)) {
        return FALSE;
    }
    if (*argc != 2) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "apply takes a log; see %s --help", g_get_prgname());
        return FALSE;
    }
    return check_options(ret, error) &&
           tcs_trace_options_check(&ret->traces, error);
}

static gboolean open_files(Apply *apply, const Options *options, GError **error)
{
    const TcsTraceOptions *traces = &options->traces;

    apply->is_host_left =
        traces->host && options->output && !options->host_output;
    if (traces->host) {
        apply->host = apply->is_host_left
                          ? tcs_trace_file_open(traces->host, error)
                          : tcs_trace_file_open_to_extend(
                                traces->host, options->host_output, error);
        if (!apply->host) {
            return FALSE;
        }
    }
    apply->guest =
        tcs_trace_file_open_to_extend(traces->guest, options->output, error);
    if (!apply->guest) {
        return FALSE;
    }
    if (apply->guest->dat.n_cpus == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s has no events: was the guest reset while trace-cmd "
                    "recorded?",
                    traces->guest);
        return FALSE;
    }
    return tcs_trace_options_set_clocks(traces, apply->guest, apply->host,
                                        &apply->alignment, error) &&
           tcs_trace_sides_check(apply->alignment.log, apply->guest,
                                 apply->host, error);
}

static gboolean random_id(guint64 *ret, GError **error)
{
    do {
        if (getrandom(ret, sizeof(*ret), 0) != sizeof(*ret)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_INTERNAL,
                        "no random number to be had: %s", g_strerror(errno));
            return FALSE;
        }
    } while (*ret == 0);
    return TRUE;
}

/* The file's id, or a new one that is added to it. */
static gboolean ensure_id(const struct tcs_trace_dat *dat,
                          struct tcs_trace_dat_options *options, guint64 *ret,
                          GError **error)
{
    *ret = dat->trace_id;
    if (!dat->has_trace_id) {
        if (!random_id(ret, error)) {
            return FALSE;
        }
        tcs_trace_dat_add_trace_id(options, *ret);
    }
    return TRUE;
}

/* CPUs without events are among them, because readers number them from 0. */
static guint count_cpus(const Apply *apply)
{
    const struct tcs_trace_dat *guest = &apply->guest->dat;
    guint n = 0;

    for (gsize i = 0; i < guest->n_cpus; i++) {
        n = MAX(n, guest->cpus[i] + 1);
    }
    return n;
}

/* Tells the host's file which thread is which of the guest's CPUs. */
static gboolean add_guest(const Apply *apply, guint64 guest_id,
                          struct tcs_trace_dat_options *options, GError **error)
{
    g_autofree struct tcs_trace_dat_vcpu *vcpus = NULL;
    const guint n = count_cpus(apply);

    if (n > TCS_TRACE_DAT_CPUS_MAX) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "%s has a CPU of number %u", apply->guest->path, n - 1);
        return FALSE;
    }
    vcpus = g_new0(struct tcs_trace_dat_vcpu, n + 1);
    for (guint i = 0; i < n; i++) {
        const TcsVcpu *vcpu = tcs_guest_vcpu(apply->alignment.log, i, NULL);

        vcpus[i].cpu = i;
        vcpus[i].thread_id = vcpu ? (uint32_t)vcpu->thread_id : 0;
    }
    tcs_trace_dat_add_guest(options, apply->alignment.log->vm, guest_id, vcpus,
                            n);
    return TRUE;
}

/*
 * After the shift a guest's stamps are the host's clock, so what readers do to
 * them from then on must be what they do to the host's.
 */
static void add_units(const Apply *apply, struct tcs_trace_dat_options *options)
{
    const struct tcs_trace_dat *guest = &apply->guest->dat;
    guint32 mult = 0, shift = 0;

    if (apply->host) {
        const struct tcs_trace_dat *host = &apply->host->dat;

        mult = host->has_tsc2nsec ? host->tsc_mult : 0;
        shift = host->has_tsc2nsec ? host->tsc_shift : 0;
        if (host->ts_offset_ns != guest->ts_offset_ns) {
            tcs_trace_dat_add_offset(options,
                                     (gint64)((guint64)host->ts_offset_ns -
                                              (guint64)guest->ts_offset_ns));
        }
    }
    if (guest->has_tsc2nsec
            ? mult != guest->tsc_mult || shift != guest->tsc_shift
            : mult != 0) {
        tcs_trace_dat_add_tsc2nsec(options, mult, shift);
    }
}

/* One table per CPU, in the file's order. */
static void add_shifts(const Apply *apply, guint64 host_id,
                       struct tcs_trace_dat_options *options)
{
    const gsize n = apply->guest->dat.n_cpus;
    g_autofree struct tcs_trace_dat_shift *shifts =
        g_new0(struct tcs_trace_dat_shift, n + 1);

    for (gsize i = 0; i < n; i++) {
        shifts[i] = tcs_shift_table_shift(apply->alignment.cpu_tables[i]);
    }
    tcs_trace_dat_add_time_shift(options, host_id, shifts, n);
}

/*
 * The host's first: by itself it changes nothing that is shown. Copies get
 * their names when nothing is left that is likely to fail, and keep them when
 * nothing is at all.
 */
static gboolean write_both(TcsTraceFile *guest,
                           const struct tcs_trace_dat_options *guest_options,
                           TcsTraceFile *host,
                           const struct tcs_trace_dat_options *host_options,
                           GError **error)
{
    const gboolean is_copy = guest->new_path != NULL;

    if ((host && !tcs_trace_file_append(host, host_options, error)) ||
        (is_copy && !tcs_trace_file_append(guest, guest_options, error)) ||
        (host && !tcs_trace_file_name(host, error)) ||
        (!is_copy && !tcs_trace_file_append(guest, guest_options, error)) ||
        !tcs_trace_file_name(guest, error)) {
        return FALSE;
    }
    tcs_trace_file_keep(guest);
    if (host) {
        tcs_trace_file_keep(host);
    }
    return TRUE;
}

static gboolean write_files(const Apply *apply, GError **error)
{
    struct tcs_trace_dat_options guest, host = { 0 };
    guint64 guest_id, host_id = 0;
    gboolean ok;

    tcs_trace_dat_options_init(&guest, &apply->guest->dat);
    ok = ensure_id(&apply->guest->dat, &guest, &guest_id, error);
    if (ok && apply->host) {
        tcs_trace_dat_options_init(&host, &apply->host->dat);
        ok = ensure_id(&apply->host->dat, &host, &host_id, error) &&
             add_guest(apply, guest_id, &host, error);
    }
    if (ok) {
        add_shifts(apply, host_id, &guest);
        add_units(apply, &guest);
        ok = write_both(apply->guest, &guest,
                        apply->is_host_left ? NULL : apply->host, &host, error);
    }
    tcs_trace_dat_options_clear(&guest);
    tcs_trace_dat_options_clear(&host);
    return ok;
}

/* The format has room for one thread of each CPU. */
static void tell_of_threads(const Apply *apply)
{
    const TcsLog *log = apply->alignment.log;
    const guint n = count_cpus(apply);

    for (guint i = 0; i < n; i++) {
        g_autoptr(GArray) threads = tcs_guest_threads(log, i, NULL);

        if (threads && threads->len > 1) {
            fprintf(stderr,
                    "%s: the log has %u threads for CPU %u, one after the "
                    "other (QEMU was started anew); KernelShark is told of the "
                    "one that it saw most, %" PRId64 "\n",
                    g_get_prgname(), threads->len, i,
                    tcs_guest_vcpu(log, i, NULL)->thread_id);
            return;
        }
    }
}

/* By an earlier `apply`, or by trace-cmd. */
static gboolean host_knows(const Apply *apply)
{
    const struct tcs_trace_dat *guest = &apply->guest->dat;
    g_autofree int *threads = NULL;

    return guest->has_trace_id &&
           tcs_trace_dat_guest_threads(apply->host->path, guest->trace_id,
                                       &threads) > 0;
}

/* What the host's file does not say, now that all is written. */
static void tell_of_host(const Apply *apply)
{
    if (apply->host && !apply->is_host_left) {
        tell_of_threads(apply);
    } else if (apply->host && !host_knows(apply)) {
        fprintf(stderr,
                "%s: %s stays as it is, so KernelShark will not know the "
                "vCPUs' threads; --host-output FILE writes a copy that does\n",
                g_get_prgname(), apply->host->path);
    }
}

static void report(const Apply *apply)
{
    const char *unit = tcs_trace_clock_is_counter(apply->alignment.host_clock)
                           ? "ticks"
                           : "ns";

    printf("%s: guest %s is shown as host %s, %" G_GSIZE_FORMAT " CPUs%s\n",
           apply->guest->new_path ? apply->guest->new_path : apply->guest->path,
           apply->alignment.guest_clock, apply->alignment.host_clock,
           apply->guest->dat.n_cpus,
           apply->guest->dat.has_time_shift ? " (it was corrected before; this "
                                              "takes its place)"
                                            : "");
    for (guint i = 0; i < apply->alignment.tables->len; i++) {
        const TcsShiftTable *table =
            g_ptr_array_index(apply->alignment.tables, i);
        const GArray *points = table->points;

        printf(
            "  %u points; guest %s from %" PRIu64 " to %" PRIu64
            ": within %" PRIu64 " %s, half of the time within %" PRIu64 " %s\n",
            points->len, apply->alignment.guest_clock,
            g_array_index(points, struct tcs_trace_dat_point, 0).time,
            g_array_index(points, struct tcs_trace_dat_point, points->len - 1)
                .time,
            tcs_shift_table_bound_for(table, 1), unit,
            tcs_shift_table_bound_for(table, 0.5), unit);
        for (guint g = 0; g < table->gaps->len; g++) {
            const TcsShiftGap *gap =
                &g_array_index(table->gaps, TcsShiftGap, g);

            printf("  from %" PRIu64 " to %" PRIu64
                   ": unknown, shown by interpolation\n",
                   gap->from, gap->to);
        }
    }
    if (apply->guest->dat.n_instances > 0) {
        printf("  the file has other trace instances; trace-cmd does not "
               "correct those\n");
    }
}

static int run(int argc, char **argv, GError **error)
{
    g_auto(Options) options = { 0 };
    g_auto(Apply) apply = { 0 };

    if (!parse_options(&argc, &argv, &options, error)) {
        return TCS_ERROR_USAGE;
    }
    if (!tcs_alignment_open_log(&apply.alignment, argv[1], options.traces.boot,
                                error) ||
        !open_files(&apply, &options, error) ||
        !tcs_alignment_compute(&apply.alignment, apply.guest, error) ||
        !tcs_coverage_check(&apply.alignment, apply.guest, error) ||
        !write_files(&apply, error)) {
        return tcs_error_exit_status(*error);
    }
    report(&apply);
    tell_of_host(&apply);
    return 0;
}

const TcsVerb tcs_verb_apply = {
    .name = "apply",
    .summary = "put a guest's trace.dat on the host's timeline",
    .run = run,
};
