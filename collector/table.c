/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See table.h.
 */
#include "table.h"

struct TcsTable {
    const char *const *headings;
    guint columns;
    GPtrArray *cells; /* of char *; the headings' texts come first */
};

TcsTable *tcs_table_new(const char *const *headings)
{
    TcsTable *table = g_new0(TcsTable, 1);

    table->headings = headings;
    table->cells = g_ptr_array_new_with_free_func(g_free);
    for (; headings[table->columns]; table->columns++) {
        tcs_table_cell(table, "%s", headings[table->columns] + 1);
    }
    return table;
}

void tcs_table_free(TcsTable *table)
{
    if (table) {
        g_ptr_array_unref(table->cells);
        g_free(table);
    }
}

void tcs_table_cell(TcsTable *table, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(table->cells, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static const char *cell_at(const TcsTable *table, guint row, guint column)
{
    return g_ptr_array_index(table->cells, row * table->columns + column);
}

void tcs_table_print(const TcsTable *table, GString *text)
{
    guint rows = table->cells->len / table->columns;
    g_autofree int *widths = g_new0(int, table->columns);

    for (guint row = 0; row < rows; row++) {
        for (guint column = 0; column < table->columns; column++) {
            int width = (int)g_utf8_strlen(cell_at(table, row, column), -1);

            widths[column] = MAX(widths[column], width);
        }
    }
    for (guint row = 0; row < rows; row++) {
        for (guint column = 0; column < table->columns; column++) {
            const char *cell = cell_at(table, row, column);
            int padding = widths[column] - (int)g_utf8_strlen(cell, -1);
            gboolean right = table->headings[column][0] == '>';
            gboolean last = column + 1 == table->columns;

            g_string_append_printf(text, "%*s%s%*s%s", right ? padding : 0, "",
                                   cell, right || last ? 0 : padding, "",
                                   last ? "\n" : "  ");
        }
    }
}
