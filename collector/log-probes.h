/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A method's answers in a sample's line of the sync log: "method" and "probes",
 * absent where the hypervisor was asked.
 */
#ifndef COLLECTOR_LOG_PROBES_H
#define COLLECTOR_LOG_PROBES_H

#include "sample.h"

G_BEGIN_DECLS

/* Adds to `line` what the method in use was answered. */
void tcs_log_add_probes(json_object *line, const TcsSample *sample);

/*
 * Takes it back, once the rest of the sample is in place, and places guest
 * readings by it. FALSE where the answers cannot be used: TCS_ERROR_PROTOCOL or
 * _REFUSED.
 */
gboolean tcs_log_take_probes(json_object *line, TcsSample *sample,
                             guint host_slew_ppm, GError **error);

G_END_DECLS

#endif
