/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at the first events of each CPU, in time that does not depend on how
 * many there are: read by libtracecmd, which may die of a file or never come
 * back. Knows nothing of VMs.
 */
#ifndef FORMATS_TRACE_DAT_GLANCE_H
#define FORMATS_TRACE_DAT_GLANCE_H

#include "trace-dat-events.h"
#include "trace-dat.h"

/*
 * Calls the function for events of the file at `path`, whose options are *dat:
 * from the first on of every CPU, some of one, then of the next, and so on in
 * turn. It runs in a process of its own, so all that comes back is what it
 * leaves in the `size` bytes at `data`. Returns 0 at the end of the file, 1
 * where the function ended the walk, -EFBIG where the file is compressed and
 * large, so that it would take long to see the first event; -EINVAL where
 * libtracecmd did not answer, and nothing comes back.
 */
int tcs_trace_dat_glance(const char *path, const struct tcs_trace_dat *dat,
                         tcs_trace_dat_event_fn *fn, void *data, size_t size);

#endif
