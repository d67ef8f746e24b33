/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Error domain and exit statuses of the collector. Prints nothing.
 */
#include "error.h"

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

void tcs_error_rephrase(GError *error, char *message)
{
    g_free(error->message);
    error->message = message;
}
