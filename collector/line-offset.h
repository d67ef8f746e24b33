/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest CPU's counter against the host's where a method's line tells.
 */
#ifndef COLLECTOR_LINE_OFFSET_H
#define COLLECTOR_LINE_OFFSET_H

#include "offsets.h"

G_BEGIN_DECLS

/*
 * The counter's row, in ticks, at the middle of the time in which the guest was
 * asked. `line` is of sample->placement. FALSE where nothing bounds it.
 */
gboolean tcs_line_offset(const TcsSample *sample, const TcsCpuLine *line,
                         TcsOffset *ret_offset);

G_END_DECLS

#endif
