/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync show`: one VM, now.
 */
#include "verb.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "host-sampler.h"
#include "offsets.h"
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
    char **clocks; /* only these; NULL: all */
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
        { "json", 0, 0, G_OPTION_ARG_NONE, &ret->json, "print a JSON document",
          NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "--qmp ADDRESS [--agent ADDRESS] - offsets of a VM's clocks, now");

    tcs_target_options_add(&ret->target, context);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(
        context,
        "Every offset is guest - host; the true value is within the +/- that\n"
        "stands beside it. Without --agent only the counter is shown.\n\n"
        "Example:\n"
        "  trace-clock-sync show --qmp /run/vm/qmp.sock --agent vsock:3\n");
    if (!tcs_options_parse(context, &argc, &argv, 0, error) ||
        !tcs_target_options_check(&ret->target, &ret->session, error)) {
        return FALSE;
    }
    ret->session.clocks = ret->clocks;
    return TRUE;
}

static void options_clear(Options *options)
{
    tcs_target_options_clear(&options->target);
    g_strfreev(options->clocks);
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

/* Says why a clock that was asked for has no offset. */
static void explain_missing(const Options *options, const TcsOffsets *offsets,
                            const char *clock, GError **error)
{
    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        if (g_str_equal(refusal->guest, clock)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                        "no offset of %s: %s", clock, refusal->reason);
            return;
        }
    }
    g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                options->session.agent
                    ? "no offset of '%s': the guest has no such clock; show "
                      "without --clock lists those it has"
                    : "no offset of '%s': only the counter is known without "
                      "the guest; add --agent",
                clock);
}

/* 0 where every clock that was read or wanted has an offset, else 4. */
static int judge(const Options *options, const TcsSample *sample,
                 const TcsOffsets *offsets, GError **error)
{
    const TcsRefusal *worst = NULL;

    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        if (refusal->kind > (worst ? worst->kind : TCS_REFUSAL_UNREAD)) {
            worst = refusal;
        }
    }
    if (worst) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED, "no offset of %s: %s",
                    worst->guest, worst->reason);
        return TCS_ERROR_REFUSED;
    }
    if (options->session.agent && !sample->guest &&
        !sample->qmp_after->running) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the VM is paused, so that its agent cannot answer; "
                    "resume it to see the guest's other clocks");
        return TCS_ERROR_REFUSED;
    }
    for (guint i = 0; options->clocks && options->clocks[i]; i++) {
        if (!tcs_offsets_has(offsets, options->clocks[i])) {
            explain_missing(options, offsets, options->clocks[i], error);
            return TCS_ERROR_REFUSED;
        }
    }
    return 0;
}

static int report(const Options *options, const Show *show, GError **error)
{
    const TcsSample *sample =
        g_ptr_array_index(show->samples, show->samples->len - 1);
    const char *vm = tcs_session_vm(show->session);
    g_autoptr(TcsOffsets) offsets =
        tcs_offsets_new(show->samples, tcs_host_clock_slew_ppm());
    g_autofree char *text = NULL;

    if (options->clocks) {
        keep_wanted(offsets, options->clocks);
    }
    text = options->json ? tcs_report_json(vm, sample, offsets)
                         : tcs_report_text(vm, tcs_session_route(show->session),
                                           sample, offsets);
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot write to standard output: %s", g_strerror(errno));
        return TCS_ERROR_FILE;
    }
    return judge(options, sample, offsets, error);
}

static int run(int argc, char **argv, GError **error)
{
    Options options = { 0 };
    int status;

    if (!parse_options(argc, argv, &options, error)) {
        options_clear(&options);
        return TCS_ERROR_USAGE;
    }

    Show show = {
        .loop = g_main_loop_new(NULL, FALSE),
        .session = tcs_session_new(&options.session),
        .samples =
            g_ptr_array_new_with_free_func((GDestroyNotify)tcs_sample_free),
    };

    take_sample(&show);
    g_main_loop_run(show.loop);
    if (show.error) {
        g_propagate_error(error, show.error);
        status = tcs_error_exit_status(*error);
    } else {
        status = report(&options, &show, error);
    }
    g_ptr_array_unref(show.samples);
    tcs_session_free(show.session);
    g_main_loop_unref(show.loop);
    options_clear(&options);
    return status;
}

const TcsVerb tcs_verb_show = {
    .name = "show",
    .summary = "print every clock's offset between a VM and its host, now",
    .run = run,
};
