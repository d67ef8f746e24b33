/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a guest's trace and a log are of one time: a trace of another boot,
 * or of another VM, has stamps that the log says nothing about.
 */
#ifndef COLLECTOR_COVERAGE_H
#define COLLECTOR_COVERAGE_H

#include "alignment.h"

G_BEGIN_DECLS

/*
 * By the first and about the last stamp of each CPU, without reading events, or
 * no more than is needed where they are compressed; where these cannot be had,
 * a warning says so on standard error. TCS_ERROR_REFUSED where no CPU's events
 * meet what the log covers.
 */
gboolean tcs_coverage_check(const TcsAlignment *alignment,
                            const TcsTraceFile *guest, GError **error);

G_END_DECLS

#endif
