/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which thread of a host's trace is which CPU of a guest, by the GUEST option
 * that `apply` and trace-cmd write: read by libtracecmd.
 */
#ifndef FORMATS_TRACE_DAT_GUEST_H
#define FORMATS_TRACE_DAT_GUEST_H

#include <stdint.h>

/*
 * The threads of the guest's CPUs 0 to n - 1, 0 where not known; the caller
 * frees *ret_threads (free()). Returns n, or -ENOENT where the host's trace
 * does not know the guest's, -EINVAL where it cannot be read, -ENOMEM.
 */
int tcs_trace_dat_guest_threads(const char *host_path, uint64_t guest_trace_id,
                                int **ret_threads);

#endif
