/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See record-targets.h.
 */
#include "record-targets.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"

#define SUFFIX ".tcs"
/* A file name may have 255 bytes: room for the suffix and a number. */
#define NAME_MAX_BYTES 230
#define HASH_DIGITS    16

char *tcs_record_file_name(const char *vm)
{
    g_autoptr(GString) name = g_string_new(NULL);
    g_autofree char *hash = NULL;

    for (const char *c = vm; *c; c++) {
        if (g_ascii_isalnum(*c) || strchr("-_", *c) || (*c == '.' && c > vm)) {
            g_string_append_c(name, *c);
        } else {
            g_string_append_printf(name, "%%%02X", (guchar)*c);
        }
    }
    if (name->len > NAME_MAX_BYTES) {
        hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, vm, -1);
        g_string_truncate(name, NAME_MAX_BYTES - HASH_DIGITS - 1);
        g_string_append_printf(name, "%%%.*s", HASH_DIGITS, hash);
    }
    return g_string_free(g_steal_pointer(&name), FALSE);
}

static void target_free(gpointer data)
{
    TcsRecordTarget *target = data;

    tcs_session_free(target->session);
    g_free(target->output);
    g_free(target);
}

/* Consumes both. */
static void add(GPtrArray *targets, TcsSession *session, char *output)
{
    TcsRecordTarget *target = g_new0(TcsRecordTarget, 1);

    target->session = session;
    target->output = output;
    g_ptr_array_add(targets, target);
}

static gboolean is_taken(const GPtrArray *targets, const char *path)
{
    for (guint i = 0; i < targets->len; i++) {
        const TcsRecordTarget *target = g_ptr_array_index(targets, i);

        if (g_str_equal(target->output, path)) {
            return TRUE;
        }
    }
    return FALSE;
}

/* Domains of two hosts may have one name: the second's file gets a number. */
static char *choose_path(const GPtrArray *targets, const char *directory,
                         const char *vm)
{
    g_autofree char *name = tcs_record_file_name(vm);
    g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
    char *path = g_build_filename(directory, file, NULL);

    for (guint i = 2; is_taken(targets, path); i++) {
        g_autofree char *numbered = g_strdup_printf("%s%%%u" SUFFIX, name, i);

        g_free(path);
        path = g_build_filename(directory, numbered, NULL);
    }
    return path;
}

/* NAME,QMP[,AGENT] */
static TcsSession *parse_vm(const TcsRecordOptions *options, const char *text,
                            char **ret_name, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", 3);
    TcsTargetOptions target = options->target;
    TcsSessionOptions session;

    if (g_strv_length(words) < 2 || !*words[0] || !*words[1]) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--vm '%s': give it as NAME,QMP or NAME,QMP,AGENT, for "
                    "example web1,/run/web1.qmp,vsock:3",
                    text);
        return NULL;
    }
    target.qmp = words[1];
    target.agent = words[2];
    if (!tcs_target_options_check(&target, &session, error)) {
        g_prefix_error(error, "--vm %s: ", words[0]);
        return NULL;
    }
    session.clocks = options->session.clocks;
    session.reads_posix = options->session.reads_posix;
    session.host_clocks = options->session.host_clocks;
    *ret_name = g_strdup(words[0]);
    return tcs_session_new(&session);
}

static gboolean add_named(GPtrArray *targets, const TcsRecordOptions *options,
                          GError **error)
{
    for (guint i = 0; options->vms[i]; i++) {
        g_autofree char *name = NULL;
        TcsSession *session = parse_vm(options, options->vms[i], &name, error);

        if (!session) {
            return FALSE;
        }
        add(targets, session, choose_path(targets, options->output, name));
    }
    return TRUE;
}

static gboolean add_sessions(GPtrArray *targets,
                             const TcsRecordOptions *options, GError **error)
{
    g_autoptr(GPtrArray) sessions =
        tcs_target_options_sessions(&options->target, &options->session, error);

    if (!sessions) {
        return FALSE;
    }
    while (sessions->len > 0) {
        TcsSession *session = g_ptr_array_steal_index(sessions, 0);

        add(targets, session,
            options->target.all
                ? choose_path(targets, options->output, tcs_session_vm(session))
                : g_strdup(options->output));
    }
    return TRUE;
}

static gboolean make_directory(const TcsRecordOptions *options,
                               gboolean *ret_made, GError **error)
{
    *ret_made = g_mkdir(options->output, 0777) == 0;
    if (!*ret_made && !(errno == EEXIST &&
                        g_file_test(options->output, G_FILE_TEST_IS_DIR))) {
        g_set_error(
            error, TCS_ERROR, TCS_ERROR_FILE,
            "cannot make the directory %s: %s; several VMs are recorded "
            "into a directory, one log for each",
            options->output, g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

/* What would fail when the VM has answered fails before it is asked. */
static gboolean check_place(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    GStatBuf status;

    if (g_lstat(path, &status) == 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    S_ISDIR(status.st_mode)
                        ? "%s is a directory; name a file in it"
                        : "%s exists; a log is never overwritten: remove it or "
                          "name another",
                    path);
        return FALSE;
    }
    /* Where no file is missing but the way to it, lstat() has said so. */
    if (errno != ENOENT || *path == '\0' ||
        g_access(directory, W_OK | X_OK) < 0) {
        const int why = errno;
        g_autofree char *advice =
            tcs_error_file_advice(why, "a file in a directory that exists");

        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE,
                    "cannot make '%s': %s; %s", path, g_strerror(why), advice);
        return FALSE;
    }
    return TRUE;
}

GPtrArray *tcs_record_targets(const TcsRecordOptions *options,
                              gboolean *ret_made, GError **error)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(target_free);

    *ret_made = FALSE;
    if (!(options->vms ? add_named(targets, options, error)
                       : add_sessions(targets, options, error))) {
        return NULL;
    }
    if ((options->vms || options->target.all) &&
        !make_directory(options, ret_made, error)) {
        return NULL;
    }
    for (guint i = 0; i < targets->len; i++) {
        const TcsRecordTarget *target = g_ptr_array_index(targets, i);

        if (!check_place(target->output, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&targets);
}
