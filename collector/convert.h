/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of a text trace, one after the other: where each has its time, and what
 * is to stand there instead. Knows nothing of where they come from.
 */
#ifndef COLLECTOR_CONVERT_H
#define COLLECTOR_CONVERT_H

#include "convert-clocks.h"
#include "convert-unit.h"

G_BEGIN_DECLS

/* How a time is found; of the three at most one. */
typedef struct {
    const struct tcs_text_style *style; /* NULL: the first line that shows it */
    guint field;                        /* column, from 1; 0: no */
    GRegex *regex;
    gint time_group, cpu_group; /* of the regex; 0: there is none */
} TcsConvertFind;

typedef struct {
    guint64 converted;
    guint64 passed;  /* have no time */
    guint64 unknown; /* have one that the log cannot tell */
    guint64 bound;   /* the largest, in the unit of the clock converted to */
    guint64 step_ns; /* the largest that a last decimal stands for */
    guint64 first_unknown_line;
    char *first_unknown_reason;
} TcsConvertCount;

typedef struct {
    TcsConvertFind find;
    TcsUnits units;
    TcsConvertClocks *clocks; /* borrowed */
    TcsConvertCount count;
} TcsConvert;

void tcs_convert_clear(TcsConvert *convert);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TcsConvert, tcs_convert_clear)

/*
 * An expression with one group, the time; or two of which one is called "cpu".
 * Bytes, not characters. TCS_ERROR_USAGE.
 */
gboolean tcs_convert_find_regex(TcsConvertFind *find, const char *expression,
                                GError **error);

/* Bytes to put in place of [start, end) of a line. */
typedef struct {
    gsize start, end;
    gsize size;
    gsize spaces; /* to put before the text */
    char text[TCS_TEXT_NUMBER_MAX];
} TcsReplacement;

/*
 * One line without its end. FALSE where it stays as it is; with *error set
 * (TCS_ERROR_USAGE) where the expression gave up on it.
 */
gboolean tcs_convert_line(TcsConvert *convert, const char *line, gsize size,
                          TcsReplacement *ret, GError **error);

G_END_DECLS

#endif
