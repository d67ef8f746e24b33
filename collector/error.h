/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector's errors. Codes below 100 are exit statuses themselves; the
 * others tell callers more and map to one. A message says what failed, where,
 * and what to do next.
 */
#ifndef COLLECTOR_ERROR_H
#define COLLECTOR_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

#define TCS_ERROR tcs_error_quark()
GQuark tcs_error_quark(void);

enum TcsError {
    TCS_ERROR_INTERNAL = 1,
    TCS_ERROR_USAGE = 2,
    TCS_ERROR_UNREACHABLE = 3,
    TCS_ERROR_REFUSED = 4,
    TCS_ERROR_FILE = 5,
    TCS_ERROR_COMMAND_NOT_FOUND = 100, /* exit status 3 */
    TCS_ERROR_TIMEOUT = 101,           /* 3 */
    TCS_ERROR_PEER = 102,              /* the peer answered with an error: 3 */
    TCS_ERROR_PROTOCOL = 103,          /* hostile or broken reply: 4 */
};

/* 1 for errors of other domains, which are bugs by the time they get here. */
int tcs_error_exit_status(const GError *error);

/*
 * What to do where a file cannot be had because of this errno; `kind` is what
 * should have been named, such as "a log that `trace-clock-sync record` wrote".
 * The caller frees it.
 */
char *tcs_error_file_advice(int error_number, const char *kind);

/* The same where GLib could not write a file. */
char *tcs_error_write_advice(const GError *failure);

/* Another message, which is consumed; it may be made from the one before. */
void tcs_error_rephrase(GError *error, char *message);

G_END_DECLS

#endif
