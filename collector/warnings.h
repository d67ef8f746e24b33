/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a log or a model left out, told on standard error. For verbs.
 */
#ifndef COLLECTOR_WARNINGS_H
#define COLLECTOR_WARNINGS_H

#include <glib.h>

#include "model.h"

G_BEGIN_DECLS

/* `warnings` of char *, about the file `path`. */
void tcs_warnings_print(const char *path, const GPtrArray *warnings);

/* tcs_model_load(), and its warnings and the log's printed. */
TcsModel *tcs_warnings_load_model(const char *path, GError **error);

G_END_DECLS

#endif
