/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See log-probes.h.
 */
#include "log-probes.h"

#include "json-util.h"

/* Of one sample; a recording takes far fewer. */
#define PROBES_MAX 65536

void tcs_log_add_probes(json_object *line, const TcsSample *sample)
{
    if (sample->placement) {
        json_object_object_add(
            line, "method", json_object_new_string(tcs_sample_method(sample)));
        json_object_object_add(line, "probes",
                               json_object_get(sample->placement->records));
    }
}

gboolean tcs_log_take_probes(json_object *line, TcsSample *sample,
                             guint host_slew_ppm, GError **error)
{
    const char *name;
    const TcsMethod *method;
    json_object *probes;
    TcsEvidence *evidence;

    if (!tcs_json_has(line, "method")) {
        return TRUE;
    }
    if (!tcs_json_get_string(line, "method", 64, &name, error) ||
        !tcs_json_get_array(line, "probes", PROBES_MAX, &probes, error)) {
        return FALSE;
    }
    method = tcs_method_find(name, error);
    if (!method) {
        return FALSE;
    }
    if (!method->command) {
        return TRUE;
    }
    evidence = tcs_evidence_new(method);
    json_object_put(evidence->records);
    evidence->records = json_object_get(probes);
    g_ptr_array_add(sample->evidence, evidence);
    tcs_sample_fit(sample, host_slew_ppm);
    /* What is checked is kept; the JSON would take many times its memory. */
    g_clear_pointer(&evidence->records, json_object_put);
    return tcs_sample_use(sample, method, error);
}
