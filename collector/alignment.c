/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See alignment.h.
 */
#include "alignment.h"

#include "boots.h"
#include "trace-clock.h"
#include "warnings.h"

gboolean tcs_alignment_open_log(TcsAlignment *alignment, const char *path,
                                const char *boot, GError **error)
{
    alignment->log = tcs_log_read(path, error);
    if (!alignment->log) {
        return FALSE;
    }
    tcs_warnings_print(path, alignment->log->warnings);
    if (boot && !tcs_boots_keep(alignment->log, boot, error)) {
        return FALSE;
    }
    alignment->model = tcs_model_new(alignment->log, error);
    return alignment->model != NULL;
}

/* CPUs that share a clock share its table. */
gboolean tcs_alignment_compute(TcsAlignment *alignment,
                               const TcsTraceFile *guest, GError **error)
{
    const TcsModelClock *to = tcs_trace_clock_host(
        alignment->model, alignment->log, alignment->host_clock, error);
    const gsize n_cpus = guest->dat.n_cpus;
    g_autofree const TcsModelClock **clocks =
        g_new0(const TcsModelClock *, n_cpus + 1);

    alignment->tables =
        g_ptr_array_new_with_free_func((GDestroyNotify)tcs_shift_table_free);
    alignment->cpu_tables = g_new0(const TcsShiftTable *, n_cpus + 1);
    for (gsize i = 0; to && i < n_cpus; i++) {
        TcsShiftTable *table;
        gsize same = 0;

        clocks[i] = tcs_trace_clock_guest(alignment->model, alignment->log,
                                          alignment->guest_clock,
                                          guest->dat.cpus[i], error);
        if (!clocks[i]) {
            return FALSE;
        }
        while (clocks[same] != clocks[i]) {
            same++;
        }
        if (same < i) {
            alignment->cpu_tables[i] = alignment->cpu_tables[same];
            continue;
        }
        table = tcs_shift_table_new(alignment->model, alignment->log, clocks[i],
                                    to, error);
        if (!table) {
            g_prefix_error(error, "CPU %u of %s: ", guest->dat.cpus[i],
                           guest->path);
            tcs_boots_explain(alignment->log, error);
            return FALSE;
        }
        g_ptr_array_add(alignment->tables, table);
        alignment->cpu_tables[i] = table;
    }
    return to != NULL;
}

void tcs_alignment_clear(TcsAlignment *alignment)
{
    g_clear_pointer(&alignment->tables, g_ptr_array_unref);
    g_clear_pointer(&alignment->cpu_tables, g_free);
    g_clear_pointer(&alignment->model, tcs_model_free);
    g_clear_pointer(&alignment->log, tcs_log_free);
}
