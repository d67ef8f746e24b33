/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log as clock snapshots of Perfetto: the host's clocks under Perfetto's own
 * numbers, the guest's under numbers made of their names.
 */
#ifndef COLLECTOR_EXPORT_SNAPSHOTS_H
#define COLLECTOR_EXPORT_SNAPSHOTS_H

#include "export.h"

G_BEGIN_DECLS

/*
 * Appends trace packets, and tells each guest clock's number and bound against
 * the host's clock. A guest clock that has no such relation is left out with a
 * warning; TCS_ERROR_REFUSED where none is left.
 */
gboolean tcs_export_write_snapshots(TcsExport *export, GString *out,
                                    GError **error);

G_END_DECLS

#endif
