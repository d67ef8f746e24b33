/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See record-options.h.
 */
#include "record-options.h"

#include <string.h>

#include "clock-name.h"
#include "error.h"
#include "pair.h"

#define INTERVAL_S_DEFAULT 1.0
#define INTERVAL_S_MIN     0.01
#define INTERVAL_S_MAX     3600.0

static const char description[] =
    "Until Ctrl-C, SIGTERM or SIGHUP; or while COMMAND runs. Then Ctrl-C,\n"
    "which a terminal sends to COMMAND too, waits for COMMAND to end, and a\n"
    "second one ends the recording at once; SIGTERM and SIGHUP are passed on\n"
    "to COMMAND. How COMMAND ends is told, and is not this program's exit\n"
    "status; where it cannot be started that is 5, and there is no log.\n\n"
    "ftrace's own clocks (local, global, perf, uptime, counter) are recorded\n"
    "only where they are named, and take root on either side. The host's\n"
    "local is a clock of its own on each CPU: local@CPU is one, local is those\n"
    "of all CPUs.\n\n"
    "With --all or --vm each VM has its log, -o DIRECTORY/NAME.tcs; bytes of\n"
    "its name that are not safe in a file's are written %XX. One that fails is\n"
    "told and does not hold up the others; COMMAND starts when each has been\n"
    "sampled or has failed. Domains that start later are not recorded.\n\n"
    "Examples:\n"
    "  trace-clock-sync record -o runs --all -- \\\n"
    "      trace-cmd record -e kvm -C mono sleep 10\n"
    "  trace-clock-sync record -o run.tcs --qmp /run/vm/qmp.sock \\\n"
    "      --agent vsock:3 -- trace-cmd record -e kvm -C mono sleep 10\n"
    "  trace-clock-sync record -o run.tcs --qmp /run/vm/qmp.sock \\\n"
    "      --agent vsock:3 --clock local --host-clock local\n";

static void split_command(int *argc, char **argv, TcsRecordOptions *ret)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            ret->command = &argv[i + 1];
            *argc = i;
        }
    }
}

static gboolean check(TcsRecordOptions *options, double interval_s,
                      GError **error)
{
    if (!options->output) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "-o is missing: where should the log go? For example -o "
                    "run.tcs");
        return FALSE;
    }
    if (!(interval_s >= INTERVAL_S_MIN && interval_s <= INTERVAL_S_MAX)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--interval takes %g to %g seconds", INTERVAL_S_MIN,
                    INTERVAL_S_MAX);
        return FALSE;
    }
    if (options->command && !options->command[0]) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "there is no command after --");
        return FALSE;
    }
    if (options->vms && (options->target.qmp || options->target.agent ||
                         options->target.domain_name || options->target.all ||
                         options->target.uris)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--vm says where the VMs are: leave out --qmp, --agent, "
                    "--domain, --all and --connect");
        return FALSE;
    }
    if (options->clocks && !options->vms && !options->session.agent) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--clock names the guest's clocks, which only its agent "
                    "reads: add --agent");
        return FALSE;
    }
    return tcs_clock_names_check("--clock", options->clocks, error);
}

gboolean tcs_record_options_parse(int argc, char **argv, TcsRecordOptions *ret,
                                  GError **error)
{
    double interval_s = INTERVAL_S_DEFAULT;
    const GOptionEntry entries[] = {
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &ret->output,
          "the sync log to create; with --all and --vm a directory for one "
          "log of each VM",
          "FILE" },
        { "vm", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &ret->vms,
          "a VM, by its sockets (may be repeated); -o is then a directory",
          "NAME,QMP[,AGENT]" },
        { "clock", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->clocks,
          "record this guest clock only (may be repeated)", "NAME" },
        { "host-clock", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ret->host_clocks,
          "record this host clock besides mono, mono_raw, boot, tai, realtime "
          "(may be repeated)",
          "NAME" },
        { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &interval_s,
          "time between samples, 0.01 to 3600 (default 1)", "SECONDS" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(
        "-o FILE [--qmp ADDRESS | --domain NAME | --all] [--agent ADDRESS] "
        "[-- COMMAND...]");

    split_command(&argc, argv, ret);
    tcs_target_options_add(&ret->target, context);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, "Samples VMs' clocks into logs.");
    g_option_context_set_description(context, description);
    if (!tcs_options_parse_or_advise(
            context, &argc, &argv, 0,
            ret->command ? "" : "a command to run goes behind --; ", error) ||
        (!ret->vms &&
         !tcs_target_options_check(&ret->target, &ret->session, error)) ||
        !check(ret, interval_s, error)) {
        return FALSE;
    }
    ret->interval_ms = (guint)(interval_s * 1000);
    ret->session.clocks = ret->clocks;
    ret->session.reads_posix = FALSE; /* a log has those of QEMU's answers */
    ret->session.host_clocks =
        tcs_host_clocks_open(ret->host_clocks, TRUE, error);
    return ret->session.host_clocks != NULL;
}

char *tcs_record_find_unread(const TcsRecordOptions *options,
                             const TcsSample *sample)
{
    const TcsHostClocks *host = options->session.host_clocks;

    for (guint i = 0; i < tcs_host_clocks_count(host); i++) {
        const char *name = tcs_host_clocks_name(host, i);
        const char *reason = tcs_host_clocks_reason(host, name);

        if (!tcs_pair_host_was_read(sample, name)) {
            return g_strdup_printf(
                "the host's %s was not read: %s", name,
                !sample->is_local
                    ? "the VM does not run on this machine; record on its host"
                : reason ? reason
                         : "no reason is known");
        }
    }
    for (guint i = 0; sample->guest && i < sample->guest->unavailable->len;
         i++) {
        const TcsGuestUnavailable *clock =
            &g_array_index(sample->guest->unavailable, TcsGuestUnavailable, i);

        if (options->clocks &&
            g_strv_contains((const char *const *)options->clocks,
                            clock->clock)) {
            return g_strdup_printf("the guest cannot read %s: %s", clock->clock,
                                   clock->reason);
        }
    }
    return NULL;
}

void tcs_record_options_clear(TcsRecordOptions *options)
{
    tcs_target_options_clear(&options->target);
    g_clear_pointer(&options->session.host_clocks, tcs_host_clocks_unref);
    g_strfreev(options->vms);
    g_strfreev(options->clocks);
    g_strfreev(options->host_clocks);
    g_free(options->output);
}
