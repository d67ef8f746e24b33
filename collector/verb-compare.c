/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync compare`: all methods side by side on one VM.
 */
#include "verb.h"

#include <inttypes.h>

#include "clock-name.h"
#include "clockread/counter.h"
#include "compare.h"
#include "each-vm.h"
#include "error.h"
#include "host-sampler.h"
#include "report-util.h"
#include "session.h"
#include "target-options.h"

static const char *const default_clocks[] = { TCS_COUNTER_NAME, "mono",
                                              "realtime", NULL };

typedef struct {
    TcsTargetOptions target;
    TcsSessionOptions session; /* borrows from target */
    gboolean json;
    char **clocks;
} Options;

/* What happens while the main loop runs. */
typedef struct {
    GMainLoop *loop;
    TcsSample *sample;
    GError *error;
} Compare;

static gboolean parse_options(int argc, char **argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "clock", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->clocks,
          "compare this guest clock (may be repeated; default " TCS_COUNTER_NAME
          ", mono and realtime)",
          "NAME" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &ret->json,
          "print a JSON document, one for each VM", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("--qmp ADDRESS --agent ADDRESS | --domain NAME | "
                             "--all");
    gboolean is_by_address;

    tcs_target_options_add(&ret->target, context);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Relates a VM's clocks to the host's by every method, and "
                 "holds each against what the hypervisor says.");
    g_option_context_set_description(
        context,
        "All methods place the same readings of the guest. A method whose\n"
        "claimed bound does not hold ends this with status 4.\n\n"
        "Example:\n"
        "  trace-clock-sync compare --qmp /run/vm/qmp.sock --agent vsock:3\n");
    if (!tcs_options_parse(context, &argc, &argv, 0, error)) {
        return FALSE;
    }
    is_by_address = !ret->target.domain_name && !ret->target.all;
    if (ret->target.method) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "compare tries every method; --method is for show and "
                    "record");
        return FALSE;
    }
    if (is_by_address && (!ret->target.qmp || !ret->target.agent)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "compare needs both --qmp and --agent, or --domain or "
                    "--all");
        return FALSE;
    }
    if (!tcs_target_options_check(&ret->target, &ret->session, error)) {
        return FALSE;
    }
    if (!ret->session.agent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "compare needs an agent: --agent none is for show "
                    "and record");
        return FALSE;
    }
    if (!tcs_clock_names_check("--clock", ret->clocks, error)) {
        return FALSE;
    }
    if (!ret->clocks) {
        ret->clocks = g_strdupv((char **)default_clocks);
    }
    ret->session.method = NULL;
    ret->session.clocks = ret->clocks;
    return TRUE;
}

static void options_clear(Options *options)
{
    tcs_target_options_clear(&options->target);
    g_strfreev(options->clocks);
}

static void on_sample(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Compare *compare = user_data;

    compare->sample = tcs_session_sample_finish(result, &compare->error);
    g_main_loop_quit(compare->loop);
}

static const char *reason_of(const TcsComparison *comparison,
                             const TcsMethod *method)
{
    for (guint i = 0; i < comparison->methods->len; i++) {
        const TcsComparedMethod *compared =
            &g_array_index(comparison->methods, TcsComparedMethod, i);

        if (compared->method == method) {
            return compared->reason;
        }
    }
    return NULL;
}

/* 0 where every bound holds that could be tried, else 4. */
static int judge(const TcsComparison *comparison, GError **error)
{
    for (guint i = 0; i < comparison->rows->len; i++) {
        const TcsComparisonRow *row =
            &g_array_index(comparison->rows, TcsComparisonRow, i);

        if (row->has_truth && !row->holds) {
            const char *unit = row->offset.is_ticks ? "ticks" : "ns";

            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "the bound that %s claims for %s DOES NOT HOLD: it is "
                        "off by %" PRId64 " %s and claims +/- %" PRIu64
                        "; do not rely on it here",
                        row->offset.method, row->offset.guest, row->difference,
                        unit, row->offset.bound);
            return TCS_ERROR_REFUSED;
        }
    }
    for (guint i = 0; i < comparison->methods->len; i++) {
        const TcsComparedMethod *compared =
            &g_array_index(comparison->methods, TcsComparedMethod, i);

        if (compared->reason && comparison->contradictions > 0) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED, "%s: %s",
                        compared->method->name, compared->reason);
            return TCS_ERROR_REFUSED;
        }
    }
    if (reason_of(comparison, &tcs_method_hypervisor)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "nothing to compare with: hypervisor: %s",
                    reason_of(comparison, &tcs_method_hypervisor));
        return TCS_ERROR_REFUSED;
    }
    return 0;
}

static int report(const Options *options, const char *vm, TcsSample *sample,
                  GError **error)
{
    g_autoptr(TcsComparison) comparison = NULL;
    g_autofree char *text = NULL;

    if (!sample->guest) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the VM is paused, so that its agent cannot answer; resume "
                    "it");
        return TCS_ERROR_REFUSED;
    }
    comparison =
        tcs_comparison_new(sample, options->clocks, tcs_host_clock_slew_ppm());
    text = options->json ? tcs_comparison_json(vm, sample, comparison)
                         : tcs_comparison_text(vm, sample, comparison);
    if (!tcs_print(text, error)) {
        return TCS_ERROR_FILE;
    }
    return judge(comparison, error);
}

static int compare_vm(TcsSession *session, gpointer user_data, GError **error)
{
    const Options *options = user_data;
    Compare compare = { .loop = g_main_loop_new(NULL, FALSE) };
    int status;

    tcs_session_sample_async(session, on_sample, &compare);
    g_main_loop_run(compare.loop);
    if (compare.error) {
        g_propagate_error(error, compare.error);
        status = tcs_error_exit_status(*error);
    } else {
        status =
            report(options, tcs_session_vm(session), compare.sample, error);
    }
    tcs_sample_free(compare.sample);
    g_main_loop_unref(compare.loop);
    return status;
}

static int run(int argc, char **argv, GError **error)
{
    Options options = { 0 };
    int status = TCS_ERROR_USAGE;

    if (parse_options(argc, argv, &options, error)) {
        status = tcs_each_vm(&options.target, &options.session, compare_vm,
                             &options, error);
    }
    options_clear(&options);
    return status;
}

const TcsVerb tcs_verb_compare = {
    .name = "compare",
    .summary = "relate a VM's clocks to the host's by every method there is",
    .run = run,
};
