/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `show` found, for people and for programs. Writes to a string only.
 */
#ifndef COLLECTOR_REPORT_H
#define COLLECTOR_REPORT_H

#include "offsets.h"
#include "session.h"

G_BEGIN_DECLS

/* Tables, ending in a newline. */
char *tcs_report_text(const char *vm, const char *route,
                      const TcsSample *sample, const TcsOffsets *offsets);

/* One JSON document (DESIGN 5.3), ending in a newline. */
char *tcs_report_json(const char *vm, const TcsSample *sample,
                      const TcsOffsets *offsets);

G_END_DECLS

#endif
