/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace-clock-sync convert`: a filter that puts the times of a text trace on
 * another clock.
 */
#include "verb.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "convert-stream.h"
#include "error.h"
#include "target-options.h"
#include "warnings.h"

typedef struct {
    char *from, *to, *style, *regex, *unit;
    gint field;
} Options;

static void options_clear(Options *options)
{
    g_free(options->from);
    g_free(options->to);
    g_free(options->style);
    g_free(options->regex);
    g_free(options->unit);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static const char description[] =
    "Clocks are named as map names them: host:NAME and guest:NAME. Of a clock\n"
    "that each CPU has of its own (local, a guest's x86-tsc) the line's own\n"
    "[CPU] decides; NAME@CPU names one.\n\n"
    "Styles (by default the first line that shows one decides):\n"
    "  ftrace    task-123 [001] d..2. 12.345678: event; trace-cmd report\n"
    "  perf      task 123 [001] 12.345678: event; perf script\n"
    "  dmesg     [   12.345678] text\n"
    "  bpftrace  12345678901 text: printf(\"%llu ...\", nsecs)\n\n"
    "A time keeps its decimals, rounded to the nearest. Lines without a time\n"
    "pass as they are. A time that the log cannot tell becomes '?'; where\n"
    "there are any, the exit status is 4.\n\n"
    "Of a trace.dat that `apply` has corrected trace-cmd report prints the\n"
    "host's times, and --from guest:mono would shift them once more: there\n"
    "take `trace-cmd report --raw-ts`, which prints them as recorded.\n\n"
    "Examples:\n"
    "  trace-cmd report -t guest.dat |\n"
    "      trace-clock-sync convert run.tcs --from guest:mono --to host:mono\n"
    "  trace-clock-sync convert run.tcs --from guest:mono --to host:boot \\\n"
    "      --regex 'ts=([0-9]+)' --unit us < guest.log > host.log\n";

static gboolean parse_options(int *argc, char ***argv, Options *ret,
                              GError **error)
{
    const GOptionEntry entries[] = {
        { "from", 0, 0, G_OPTION_ARG_STRING, &ret->from,
          "the clock of the times in the text", "CLOCK" },
        { "to", 0, 0, G_OPTION_ARG_STRING, &ret->to,
          "the clock to put in their place", "CLOCK" },
        { "style", 0, 0, G_OPTION_ARG_STRING, &ret->style,
          "how lines are written: auto, ftrace, perf, dmesg or bpftrace",
          "STYLE" },
        { "field", 0, 0, G_OPTION_ARG_INT, &ret->field,
          "the time is column N, from 1; columns are parted by blanks", "N" },
        { "regex", 0, 0, G_OPTION_ARG_STRING, &ret->regex,
          "the time is this expression's group, (...); (?<cpu>...) is the CPU",
          "REGEX" },
        { "unit", 0, 0, G_OPTION_ARG_STRING, &ret->unit,
          "of the numbers: ns, us, ms, cs (1/100 s), s, ticks; by default s "
          "where they have a point, else ns, or ticks of a counter",
          "UNIT" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context =
        g_option_context_new("LOG --from CLOCK --to CLOCK");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Puts the times of a text trace on another clock, from "
                 "standard input to output.");
    g_option_context_set_description(context, description);
    if (!tcs_options_parse(context, argc, argv, 1, error)) {
        return FALSE;
    }
    if (*argc != 2 || !ret->from || !ret->to) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "convert takes a log, --from and --to; see %s --help",
                    g_get_prgname());
        return FALSE;
    }
    return TRUE;
}

static gboolean set_usage(GError **error, const char *message)
{
    g_set_error_literal(error, TCS_ERROR, TCS_ERROR_USAGE, message);
    return FALSE;
}

static gboolean choose_style(const Options *options, TcsConvertFind *find,
                             GError **error)
{
    if (options->style && strcmp(options->style, "auto") != 0) {
        find->style = tcs_text_style_by_name(options->style);
        if (!find->style) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                        "there is no style '%s': auto, ftrace, perf, dmesg "
                        "or bpftrace; others by --field or --regex",
                        options->style);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean choose_find(const Options *options, TcsConvertFind *find,
                            GError **error)
{
    if (!!options->style + !!options->regex + (options->field != 0) > 1) {
        return set_usage(error, "--style, --field and --regex exclude each "
                                "other");
    }
    if (options->field < 0) {
        return set_usage(error, "--field takes the number of a column, from 1");
    }
    find->field = (guint)options->field;
    return choose_style(options, find, error) &&
           (!options->regex ||
            tcs_convert_find_regex(find, options->regex, error));
}

static gboolean choose_units(const Options *options, TcsConvert *convert,
                             GError **error)
{
    TcsUnits *units = &convert->units;
    const struct tcs_text_style *style = convert->find.style;

    units->from_is_time = tcs_convert_clocks_from_is_time(convert->clocks);
    units->to_is_time = tcs_convert_clocks_to_is_time(convert->clocks);
    units->writes_seconds = style && strcmp(style->name, "bpftrace") != 0;
    if (options->unit && !tcs_unit_parse(options->unit, &units->unit, error)) {
        return FALSE;
    }
    if (units->from_is_time && units->unit == TCS_UNIT_TICKS) {
        return set_usage(error, "--unit ticks is for counters, and --from "
                                "names a clock of nanoseconds");
    }
    if (!units->from_is_time && options->unit &&
        units->unit != TCS_UNIT_TICKS) {
        return set_usage(error, "--from names a counter: its unit is ticks");
    }
    if (g_str_has_suffix(options->from, ":uptime") && !options->unit) {
        return set_usage(error,
                         "ftrace writes uptime in 1/100 s, other tools "
                         "in seconds: say which with --unit cs or --unit s");
    }
    return TRUE;
}

static void print_count(const TcsConvert *convert, const Options *options)
{
    const TcsConvertCount *count = &convert->count;
    const TcsConvertFind *find = &convert->find;

    fprintf(stderr,
            "%s: %s to %s, %s%s: %" PRIu64 " lines converted, %" PRIu64
            " passed, %" PRIu64 " unknown",
            g_get_prgname(), options->from, options->to,
            find->regex   ? "--regex"
            : find->field ? "--field"
            : find->style ? find->style->name
                          : "no",
            find->regex || find->field ? "" : " style", count->converted,
            count->passed, count->unknown);
    if (count->converted > 0) {
        fprintf(stderr, "; largest bound %" PRIu64 " %s", count->bound,
                convert->units.to_is_time ? "ns" : "ticks");
    }
    if (count->step_ns > 1) {
        fprintf(stderr,
                ", besides that the text's last decimal is %" PRIu64 " ns",
                count->step_ns);
    }
    fputc('\n', stderr);
}

/* What is wrong with the text as a whole, if it is. */
static int judge(const TcsConvertCount *count, GError **error)
{
    if (count->unknown > 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%" PRIu64 " times could not be converted and are '?'; the "
                    "first is in line %" PRIu64 ": %s",
                    count->unknown, count->first_unknown_line,
                    count->first_unknown_reason);
        return TCS_ERROR_REFUSED;
    }
    if (count->converted == 0 && count->passed > 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "no line has a time where it was looked for; say where it "
                    "is with --style, --field or --regex");
        return TCS_ERROR_REFUSED;
    }
    return 0;
}

static int convert_text(TcsConvert *convert, const Options *options,
                        GError **error)
{
    int number = 0;

    switch (tcs_convert_stream(convert, STDIN_FILENO, STDOUT_FILENO, &number,
                               error)) {
    case TCS_STREAM_DONE:
        print_count(convert, options);
        return judge(&convert->count, error);
    case TCS_STREAM_SIGNAL:
        print_count(convert, options);
        raise(number);
        break;
    case TCS_STREAM_CLOSED:
        break;
    case TCS_STREAM_FAILED:
        return tcs_error_exit_status(*error);
    }
    return TCS_ERROR_FILE;
}

static int run(int argc, char **argv, GError **error)
{
    g_auto(Options) options = { 0 };
    g_auto(TcsConvert) convert = { 0 };
    g_autoptr(TcsModel) model = NULL;
    g_autoptr(TcsConvertClocks) clocks = NULL;

    if (!parse_options(&argc, &argv, &options, error) ||
        !choose_find(&options, &convert.find, error)) {
        return TCS_ERROR_USAGE;
    }
    model = tcs_warnings_load_model(argv[1], error);
    if (!model) {
        return tcs_error_exit_status(*error);
    }
    clocks =
        tcs_convert_clocks_new(model, argv[1], options.from, options.to, error);
    convert.clocks = clocks;
    if (!clocks || !choose_units(&options, &convert, error)) {
        return tcs_error_exit_status(*error);
    }
    return convert_text(&convert, &options, error);
}

const TcsVerb tcs_verb_convert = {
    .name = "convert",
    .summary = "put the times of a text trace on another clock",
    .run = run,
};
