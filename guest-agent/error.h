/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error domain of the guest agent. A code says whose fault it was and is
 * at once the exit status of trace-clock-agent. Knows nothing of JSON.
 */
#ifndef GUEST_AGENT_ERROR_H
#define GUEST_AGENT_ERROR_H

#include <glib.h>

enum tga_error_code {
    TGA_ERROR_INTERNAL = 1,
    TGA_ERROR_USAGE = 2,  /* the request or the command line */
    TGA_ERROR_LISTEN = 3, /* a socket or port cannot be served */
    TGA_ERROR_FILE = 5,   /* output cannot be written */
};

#define TGA_ERROR tga_error_quark()
GQuark tga_error_quark(void);

#endif
