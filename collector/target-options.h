/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the VM is: the options that every verb which asks a VM takes.
 */
#ifndef COLLECTOR_TARGET_OPTIONS_H
#define COLLECTOR_TARGET_OPTIONS_H

#include "session.h"

G_BEGIN_DECLS

typedef struct {
    char *qmp;
    char *agent;
    char *domain_name;
    char **uris; /* of libvirt; NULL: its default */
    gboolean all;
    TcsDomain *domain; /* of domain_name */
    char *method;
    gint samples;
    gint timeout_s;
} TcsTargetOptions;

/* Sets defaults and adds the options; `target` outlives the parsing. */
void tcs_target_options_add(TcsTargetOptions *target, GOptionContext *context);

/*
 * After parsing: checks what was given. *ret_session borrows from `target`, and
 * where that names all domains it is what their sessions have in common. FALSE
 * and TCS_ERROR_USAGE otherwise.
 */
gboolean tcs_target_options_check(TcsTargetOptions *target,
                                  TcsSessionOptions *ret_session,
                                  GError **error);

/*
 * A session for each VM that was named, of TcsSession. With --all libvirt is
 * asked which there are: TCS_ERROR_UNREACHABLE or _TIMEOUT where it does not
 * tell, or none runs.
 */
GPtrArray *tcs_target_options_sessions(const TcsTargetOptions *target,
                                       const TcsSessionOptions *session,
                                       GError **error);

void tcs_target_options_clear(TcsTargetOptions *target);

/*
 * g_option_context_parse() with our error: TCS_ERROR_USAGE that names the
 * verb's help. *argc and *argv keep what is no option, argv[0] included, up to
 * max_rest words.
 */
gboolean tcs_options_parse(GOptionContext *context, int *argc, char ***argv,
                           int max_rest, GError **error);

/* The same; `advice` is what to say of words that do not belong there. */
gboolean tcs_options_parse_or_advise(GOptionContext *context, int *argc,
                                     char ***argv, int max_rest,
                                     const char *advice, GError **error);

G_END_DECLS

#endif
