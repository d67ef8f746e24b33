/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perfetto_manifest, version 1: a file of a trace archive that puts another of
 * its files on the first one's timeline. Knows nothing of VMs.
 */
#ifndef FORMATS_PERFETTO_MANIFEST_H
#define FORMATS_PERFETTO_MANIFEST_H

#include <stdint.h>

/* A file of the archive, its machine, and Perfetto's name of a clock in it. */
struct tcs_perfetto_file {
    const char *path, *machine, *clock;
};

/*
 * The manifest as JSON; the caller frees it; NULL without memory. Names are
 * valid UTF-8. offset_ns: `reference` shows T + offset_ns when `file` shows T.
 */
char *tcs_perfetto_manifest(const struct tcs_perfetto_file *reference,
                            const struct tcs_perfetto_file *file,
                            int64_t offset_ns);

#endif
