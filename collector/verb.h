/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of the command line: one file each, and one line in main.c.
 */
#ifndef COLLECTOR_VERB_H
#define COLLECTOR_VERB_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    const char *name;
    const char *summary;
    /*
     * argv[0] is the verb. Prints its results; returns the exit status, with
     * *error set where it is to be printed.
     */
    int (*run)(int argc, char **argv, GError **error);
} TcsVerb;

extern const TcsVerb tcs_verb_apply;
extern const TcsVerb tcs_verb_check;
extern const TcsVerb tcs_verb_compare;
extern const TcsVerb tcs_verb_convert;
extern const TcsVerb tcs_verb_export;
extern const TcsVerb tcs_verb_map;
extern const TcsVerb tcs_verb_plot;
extern const TcsVerb tcs_verb_plugin;
extern const TcsVerb tcs_verb_record;
extern const TcsVerb tcs_verb_show;

G_END_DECLS

#endif
