/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Aligned columns of text.
 */
#ifndef COLLECTOR_TABLE_H
#define COLLECTOR_TABLE_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct TcsTable TcsTable;

/* Headings, ending with NULL; each starts with '<' or '>' for its alignment. */
TcsTable *tcs_table_new(const char *const *headings);
void tcs_table_free(TcsTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsTable, tcs_table_free)

/* The next cell, row by row. */
void tcs_table_cell(TcsTable *table, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

void tcs_table_print(const TcsTable *table, GString *text);

G_END_DECLS

#endif
