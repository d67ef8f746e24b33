/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync show`: one VM, now.
 */
#include "verb.h"

#include <stdio.h>
#include <string.h>

#include "clock-name.h"
#include "each-vm.h"
#include "error.h"
#include "host-clocks.h"
#include "host-sampler.h"
#include "offsets.h"
#include "report-util.h"
#include "report.h"
#include "session.h"
#include "target-options.h"

/* Two samples this far apart give rates to about a millionth. */
#define SAMPLES            2
#define SAMPLE_DISTANCE_MS 100

typedef struct {
    TcsTargetOptions target;
    TcsSessionOptions session; /* borrows from target */
    gboolean json;
    char **clocks;      /* only these; NULL: all */
    char **host_clocks; /* as given; NULL: each guest clock's own */
} Options;

/* What happens while the main loop runs. */
typedef struct {
    GMainLoop *loop;
    TcsSession *session;
    GPtrArray *samples;
    GError *error;
} Show;

static gboolean parse_options(int argc, char **argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "clock", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->clocks,
          "show this guest clock only (may be repeated)", "NAME" },
        { "host-clock", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->host_clocks,
          "pair guest clocks with this host clock (may be repeated: with each)",
          "NAME" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &ret->json,
          "print a JSON document, one for each VM", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "[--qmp ADDRESS | --domain NAME | --all] [--agent ADDRESS] - offsets "
        "of a VM's clocks, now");

    tcs_target_options_add(&ret->target, context);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(
        context,
        "Every offset is guest - host; the true value is within the +/- that\n"
        "stands beside it. Without --agent only the counter is shown. Without\n"
        "--qmp the agent is probed from here, which is much less exact.\n\n"
        "A guest clock is paired with the host's of the same name; local,\n"
        "global, perf and uptime with mono. --host-clock pairs every guest\n"
        "clock shown with the host clocks it names instead. The host's local\n"
        "is a clock of its own on each CPU: local@CPU is one, local is those\n"
        "of all CPUs. Reading local, global, perf, uptime takes root (on\n"
        "either side), and they are read only when they are named.\n\n"
        "generation counts how often the counter's mapping of a vCPU (offset\n"
        "and ratio) was seen to change: while it stays, so do the mappings.\n"
        "Under \"known from\" stands how the offset was got: kvm-device-attr is\n"
        "KVM's own number, and exact; with kvm-msr and tcg the guest's counter\n"
        "was read between two reads of the host's, hence the +/-; kvm-one-reg\n"
        "is either. Then how the ratio was: unity is 1, kvm-khz is made of the\n"
        "two frequencies, kvm-device-attr is KVM's own.\n\n"
        "Examples:\n"
        "  trace-clock-sync show --qmp /run/vm/qmp.sock --agent vsock:3\n"
        "  trace-clock-sync show --domain web1\n"
        "  trace-clock-sync show --qmp /run/vm/qmp.sock --agent vsock:3 \\\n"
        "      --clock local --host-clock local\n");
    if (!tcs_options_parse(context, &argc, &argv, 0, error) ||
        !tcs_target_options_check(&ret->target, &ret->session, error)) {
        return FALSE;
    }
    if (!tcs_clock_names_check("--clock", ret->clocks, error)) {
        return FALSE;
    }
    ret->session.clocks = ret->clocks;
    /* A count has no offset: no need to read it. */
    ret->session.host_clocks =
        tcs_host_clocks_open(ret->host_clocks, FALSE, error);
    return ret->session.host_clocks != NULL;
}

static void options_clear(Options *options)
{
    tcs_target_options_clear(&options->target);
    g_strfreev(options->clocks);
    g_strfreev(options->host_clocks);
    g_clear_pointer(&options->session.host_clocks, tcs_host_clocks_unref);
}

static gboolean take_sample(gpointer user_data);

static void on_sample(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Show *show = user_data;
    TcsSample *sample = tcs_session_sample_finish(result, &show->error);

    if (!sample) {
        g_main_loop_quit(show->loop);
        return;
    }
    g_ptr_array_add(show->samples, sample);
    /* A second sample only serves rates, and only guest clocks have those. */
    if (!sample->guest || show->samples->len == SAMPLES) {
        g_main_loop_quit(show->loop);
        return;
    }
    g_timeout_add(SAMPLE_DISTANCE_MS, take_sample, show);
}

static gboolean take_sample(gpointer user_data)
{
    Show *show = user_data;

    tcs_session_sample_async(show->session, on_sample, show);
    return G_SOURCE_REMOVE;
}

/* Drops from both lists what the user did not ask for. */
static void keep_wanted(TcsOffsets *offsets, char **clocks)
{
    for (guint i = 0; i < offsets->offsets->len;) {
        if (g_strv_contains(
                (const char *const *)clocks,
                g_array_index(offsets->offsets, TcsOffset, i).guest)) {
            i++;
        } else {
            g_array_remove_index(offsets->offsets, i);
        }
    }
    for (guint i = 0; i < offsets->refusals->len;) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        /* A contradiction is told whether asked for or not. */
        if (refusal->kind == TCS_REFUSAL_CONTRADICTION ||
            g_strv_contains((const char *const *)clocks, refusal->guest)) {
            i++;
        } else {
            g_array_remove_index(offsets->refusals, i);
        }
    }
}

/* The refusal of a pair; NULL stands for any clock. */
static const TcsRefusal *find_refusal(const TcsOffsets *offsets,
                                      const char *guest, const char *host)
{
    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        if ((!guest || g_str_equal(refusal->guest, guest)) &&
            (!host || !refusal->host[0] || g_str_equal(refusal->host, host))) {
            return refusal;
        }
    }
    return NULL;
}

static void set_refused(const TcsRefusal *refusal, GError **error)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED, "no offset of %s%s%s: %s",
                refusal->guest, refusal->host[0] ? " - host's " : "",
                refusal->host, refusal->reason);
}

/*
 * Whether a pair that was asked for has an offset, else why not; NULL stands
 * for any clock.
 */
static gboolean check_wanted(const Options *options, const TcsOffsets *offsets,
                             const char *guest, const char *host,
                             GError **error)
{
    const TcsRefusal *refusal;

    if (tcs_offsets_has(offsets, guest, host)) {
        return TRUE;
    }
    refusal = guest || options->session.agent
                  ? find_refusal(offsets, guest, host)
                  : NULL;
    if (refusal) {
        set_refused(refusal, error);
    } else if (options->session.agent && guest) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "no offset of '%s': the guest has no such clock; show "
                    "without --clock lists those it has",
                    guest);
    } else {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "no offset of '%s': only the counter is known without the "
                    "guest; add --agent",
                    guest ? guest : host);
    }
    return FALSE;
}

/* Every pair of what was named on either side; or all with what was named. */
static gboolean check_all_wanted(const Options *options,
                                 const TcsOffsets *offsets, GError **error)
{
    static const char *const any[] = { NULL, NULL };
    const char *const *hosts =
        tcs_host_clocks_names(options->session.host_clocks);
    const char *const *guests = (const char *const *)options->clocks;

    for (guint h = 0; h == 0 || (hosts && hosts[h]); h++) {
        for (guint g = 0; g == 0 || (guests && guests[g]); g++) {
            if ((hosts || guests) &&
                !check_wanted(options, offsets, (guests ? guests : any)[g],
                              (hosts ? hosts : any)[h], error)) {
                return FALSE;
            }
        }
    }
    return TRUE;
}

/* 0 where every clock that was read or wanted has an offset, else 4. */
static int judge(const Options *options, const TcsSample *sample,
                 const TcsOffsets *offsets, GError **error)
{
    const TcsRefusal *worst = NULL;

    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        if (refusal->kind > (worst ? worst->kind : TCS_REFUSAL_UNPAIRED)) {
            worst = refusal;
        }
    }
    if (worst) {
        set_refused(worst, error);
        return TCS_ERROR_REFUSED;
    }
    if (options->session.agent && !sample->guest &&
        !sample->qmp_after->running) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the VM is paused, so that its agent cannot answer; "
                    "resume it to see the guest's other clocks");
        return TCS_ERROR_REFUSED;
    }
    return check_all_wanted(options, offsets, error) ? 0 : TCS_ERROR_REFUSED;
}

static int report(const Options *options, const Show *show, GError **error)
{
    const TcsSample *sample =
        g_ptr_array_index(show->samples, show->samples->len - 1);
    const char *vm = tcs_session_vm(show->session);
    g_autoptr(TcsOffsets) offsets = tcs_offsets_new(
        show->samples, tcs_host_clock_slew_ppm(), options->session.host_clocks);
    g_autofree char *text = NULL;

    if (options->clocks) {
        keep_wanted(offsets, options->clocks);
    }
    text = options->json ? tcs_report_json(vm, sample, offsets)
                         : tcs_report_text(vm, tcs_session_route(show->session),
                                           sample, offsets);
    if (!tcs_print(text, error)) {
        return TCS_ERROR_FILE;
    }
    return judge(options, sample, offsets, error);
}

static int show_vm(TcsSession *session, gpointer user_data, GError **error)
{
    const Options *options = user_data;
    int status;
    Show show = {
        .loop = g_main_loop_new(NULL, FALSE),
        .session = session,
        .samples =
            g_ptr_array_new_with_free_func((GDestroyNotify)tcs_sample_free),
    };

    take_sample(&show);
    g_main_loop_run(show.loop);
    if (show.error) {
        g_propagate_error(error, show.error);
        status = tcs_error_exit_status(*error);
    } else {
        status = report(options, &show, error);
    }
    g_ptr_array_unref(show.samples);
    g_main_loop_unref(show.loop);
    return status;
}

static int run(int argc, char **argv, GError **error)
{
    Options options = { 0 };
    int status;

    if (parse_options(argc, argv, &options, error)) {
        status = tcs_each_vm(&options.target, &options.session, show_vm,
                             &options, error);
    } else {
        status = tcs_error_exit_status(*error);
    }
    options_clear(&options);
    return status;
}

const TcsVerb tcs_verb_show = {
    .name = "show",
    .summary = "print every clock's offset between a VM and its host, now",
    .run = run,
};
