/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Error domain and exit statuses of the collector. Prints nothing.
 */
#include "error.h"

#include <errno.h>

G_DEFINE_QUARK(tcs - error - quark, tcs_error)

int tcs_error_exit_status(const GError *error)
{
    if (error->domain != TCS_ERROR) {
        return TCS_ERROR_INTERNAL;
    }
    switch (error->code) {
    case TCS_ERROR_INTERNAL:
    case TCS_ERROR_USAGE:
    case TCS_ERROR_UNREACHABLE:
    case TCS_ERROR_REFUSED:
    case TCS_ERROR_FILE:
        return error->code;
    case TCS_ERROR_COMMAND_NOT_FOUND:
    case TCS_ERROR_TIMEOUT:
    case TCS_ERROR_PEER:
        return TCS_ERROR_UNREACHABLE;
    case TCS_ERROR_PROTOCOL:
        return TCS_ERROR_REFUSED;
    }
    return TCS_ERROR_INTERNAL;
}

char *tcs_error_file_advice(int error_number, const char *kind)
{
    switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return g_strdup("run it as a user who may, or use a copy");
    case ENOSPC:
    case EDQUOT:
        return g_strdup("make room, or use another file system");
    case EFBIG:
        return g_strdup("allow larger files (ulimit -f), or use another file "
                        "system");
    case EEXIST:
        return g_strdup("remove it or name another");
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return g_strconcat("name ", kind, NULL);
    }
    return g_strdup("try it with a copy of the file");
}

void tcs_error_rephrase(GError *error, char *message)
{
    g_free(error->message);
    error->message = message;
}

char *tcs_error_write_advice(const GError *failure)
{
    /* Those that GLib tells apart: EFBIG and EDQUOT are "failed", as many. */
    static const int numbers[] = {
        EACCES, EPERM,   EROFS,  ENOSPC, EEXIST,
        ENOENT, ENOTDIR, EISDIR, ELOOP,  ENAMETOOLONG
    };

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (g_error_matches(failure, G_FILE_ERROR,
                            (gint)g_file_error_from_errno(numbers[i]))) {
            return tcs_error_file_advice(numbers[i],
                                         "a file in a directory that exists");
        }
    }
    return g_strdup("try it with another file");
}
