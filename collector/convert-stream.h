/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from one descriptor to another in large pieces, lines changed on the
 * way, in memory that no line's length changes. What has come is written
 * before more is waited for.
 */
#ifndef COLLECTOR_CONVERT_STREAM_H
#define COLLECTOR_CONVERT_STREAM_H

#include "convert.h"

G_BEGIN_DECLS

/* A time is looked for in so much of a line's beginning. */
#define TCS_CONVERT_HEAD_MAX 65536

typedef enum {
    TCS_STREAM_DONE,   /* all there was */
    TCS_STREAM_SIGNAL, /* SIGINT, SIGTERM or SIGHUP: all whole lines so far */
    TCS_STREAM_CLOSED, /* nobody reads the output any more */
    TCS_STREAM_FAILED, /* *error */
} TcsStreamEnd;

/*
 * Converts until the input ends. *ret_signal is the signal for
 * TCS_STREAM_SIGNAL. The handlers of those three are as before afterwards.
 * Errors: TCS_ERROR_FILE, and those of tcs_convert_line().
 */
TcsStreamEnd tcs_convert_stream(TcsConvert *convert, int in, int out,
                                int *ret_signal, GError **error);

G_END_DECLS

#endif
