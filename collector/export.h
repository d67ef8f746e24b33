/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `export` hands to a format, and the formats there are: one file each.
 */
#ifndef COLLECTOR_EXPORT_H
#define COLLECTOR_EXPORT_H

#include "alignment.h"
#include "export-line.h"

G_BEGIN_DECLS

/* The command line. Strings are NULL where not given. */
typedef struct {
    char *guest, *host;             /* the traces' files */
    char *guest_clock, *host_clock; /* ftrace's names */
    char *output;
    gint64 pid; /* 0: not given */
    gint64 guest_offset_ns, host_offset_ns;
    gboolean clock_block, snapshots;
} TcsExportOptions;

typedef struct {
    const TcsExportOptions *options;
    TcsAlignment alignment; /* log and model; tables once they are asked for */
    GArray *cpus;           /* of guint32: the guest's */
} TcsExport;

typedef struct {
    const char *name;
    /* The clocks where none are named; NULL: the log's counter. */
    const char *guest_clock, *host_clock;
    /* Long options that only some formats know; NULL at the end. */
    const char *const *options;
    /*
     * Appends what is written out. TCS_ERROR_REFUSED, with nothing written,
     * where a clock cannot be mapped.
     */
    gboolean (*run)(TcsExport *export, GString *out, GError **error);
} TcsExportFormat;

extern const TcsExportFormat tcs_export_perf;
extern const TcsExportFormat tcs_export_perfetto;
extern const TcsExportFormat tcs_export_ctf;
extern const TcsExportFormat tcs_export_attach;

/*
 * Fills the alignment's tables, one of cpu_tables for each of `cpus`, from the
 * guest's clock to the host's.
 */
gboolean tcs_export_compute(TcsExport *export, GError **error);

/* "ticks" or "ns": what the host's clock is in. */
const char *tcs_export_unit(const TcsExport *export);

/* On standard error, after the verb's name. */
void tcs_export_note(const char *format, ...) G_GNUC_PRINTF(1, 2);

/*
 * Tells how far what was exported is from the truth and between which stamps,
 * that CPUs differ by `spread`, and where nothing is known.
 */
void tcs_export_tell_bound(const TcsExport *export, TcsLineError error,
                           guint64 spread);

G_END_DECLS

#endif
