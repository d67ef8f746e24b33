/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync map`: converts values between any two recorded clocks.
 */
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "model.h"
#include "report-util.h"
#include "target-options.h"
#include "warnings.h"

#define WORDS_MAX 1000000

static gboolean parse_value(const char *text, guint64 *ret, GError **error)
{
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, ret, NULL)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "'%s' is not a value: nanoseconds, or ticks of a counter, "
                    "as a whole number from 0 on",
                    text);
        return FALSE;
    }
    return TRUE;
}

/*
 * One line "value low high", or "unknown" and the reason. Returns whether it
 * was known.
 */
static gboolean print_value(const TcsModel *model, const TcsModelClock *from,
                            const TcsModelClock *to, guint64 value)
{
    guint64 lo, hi;
    g_autoptr(GError) error = NULL;

    if (!tcs_model_convert(model, from, to, value, &lo, &hi, &error)) {
        printf("unknown - -  # %" PRIu64 ": %s\n", value, error->message);
        return FALSE;
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", lo + (hi - lo) / 2, lo, hi);
    return TRUE;
}

static int convert_all(TcsModel *model, char **words, int n, GError **error)
{
    const TcsModelClock *from = tcs_model_find(model, words[0], error);
    const TcsModelClock *to =
        from ? tcs_model_find(model, words[1], error) : NULL;
    int unknown = 0;

    if (!to) {
        return tcs_error_exit_status(*error);
    }
    for (int i = 2; i < n; i++) {
        guint64 value;

        if (!parse_value(words[i], &value, error)) {
            return TCS_ERROR_USAGE;
        }
        unknown += !print_value(model, from, to, value);
    }
    if (fflush(stdout) == EOF) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot write to standard output: %s", g_strerror(errno));
        return TCS_ERROR_FILE;
    }
    if (unknown > 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%d of %d values could not be converted", unknown, n - 2);
        return TCS_ERROR_REFUSED;
    }
    return 0;
}

static int list_clocks(const TcsModel *model, GError **error)
{
    const GPtrArray *clocks = tcs_model_clocks(model);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < clocks->len; i++) {
        const TcsModelClock *clock = g_ptr_array_index(clocks, i);

        g_string_append_printf(text, "%s %s\n", tcs_model_clock_name(clock),
                               tcs_model_clock_unit(clock));
    }
    return tcs_print(text->str, error) ? 0 : TCS_ERROR_FILE;
}

static int run(int argc, char **argv, GError **error)
{
    gboolean list = FALSE;
    const GOptionEntry entries[] = {
        { "list", 'l', 0, G_OPTION_ARG_NONE, &list,
          "print the clocks that the log has, and their units", NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("LOG FROM TO VALUE... | --list LOG");
    g_autoptr(TcsModel) model = NULL;

    g_option_context_add_main_entries(context, entries, NULL);

    g_option_context_set_summary(
        context, "Converts values of clock FROM into clock TO; prints value, "
                 "low, high.");
    g_option_context_set_description(
        context,
        "Clocks: host:NAME and guest:NAME as `show` names them. Units:\n"
        "  host:x86-tsc, guest:x86-tsc@CPU  ticks of the counter (arm-cntvct on\n"
        "                                   arm64, ppc-tb on ppc64, riscv-time on\n"
        "                                   riscv64); guest:x86-tsc where all CPUs'\n"
        "                                   are the same\n"
        "  guest:counter                    the number of an event, as ftrace\n"
        "                                   writes it into a trace\n"
        "  guest:uptime                     nanoseconds; in a trace ftrace's\n"
        "                                   uptime is in 1/100 s\n"
        "  all others                       nanoseconds\n"
        "A value stands for all that the clock may show so: x86-tsc for a tick,\n"
        "uptime for its 10 ms and more.\n\n"
        "Examples:\n"
        "  trace-clock-sync map --list run.tcs\n"
        "  trace-clock-sync map run.tcs guest:mono host:mono 81536789012\n");
    if (!tcs_options_parse(context, &argc, &argv, WORDS_MAX, error)) {
        return TCS_ERROR_USAGE;
    }
    if (list ? argc != 2 : argc < 5) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "map %s; see %s --help",
                    list ? "--list takes a log and nothing else"
                         : "takes a log, two clocks and values",
                    g_get_prgname());
        return TCS_ERROR_USAGE;
    }
    model = tcs_warnings_load_model(argv[1], error);
    if (!model) {
        return tcs_error_exit_status(*error);
    }
    return list ? list_clocks(model, error)
                : convert_all(model, argv + 2, argc - 2, error);
}

const TcsVerb tcs_verb_map = {
    .name = "map",
    .summary = "convert values between any two clocks of a log",
    .run = run,
};
