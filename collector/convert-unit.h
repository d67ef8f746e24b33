/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a number in a text means as a clock's value, and how a value of another
 * clock is written in its place.
 */
#ifndef COLLECTOR_CONVERT_UNIT_H
#define COLLECTOR_CONVERT_UNIT_H

#include <glib.h>

#include "formats/text.h"

G_BEGIN_DECLS

typedef enum {
    TCS_UNIT_AUTO, /* seconds with a point, else what the clock counts */
    TCS_UNIT_NS,
    TCS_UNIT_US,
    TCS_UNIT_MS,
    TCS_UNIT_CS, /* 1/100 s, ftrace's uptime */
    TCS_UNIT_S,
    TCS_UNIT_TICKS, /* of a counter, or a number of events */
} TcsUnit;

/* "ns", "us", …; TCS_ERROR_USAGE names them all. */
gboolean tcs_unit_parse(const char *name, TcsUnit *ret_unit, GError **error);

typedef struct {
    TcsUnit unit;
    gboolean from_is_time;
    gboolean to_is_time;
    /* How a time is written where a counter's ticks were: seconds, else ns. */
    gboolean writes_seconds;
} TcsUnits;

/*
 * The clock's value that a number stands for. False where it is none: a part of
 * a tick or of a nanosecond, or beyond 64 bits.
 */
gboolean tcs_unit_value(const TcsUnits *units, struct tcs_text_number number,
                        guint64 *ret_value);

/*
 * The number to be written for a value in place of another: in the same unit
 * and with as many decimals, rounded to the nearest, half of a step upward.
 * *ret_step_ns is what one of its last decimal stands for, 1 for ticks.
 */
struct tcs_text_number tcs_unit_number(const TcsUnits *units,
                                       struct tcs_text_number replaced,
                                       guint64 value, guint64 *ret_step_ns);

G_END_DECLS

#endif
