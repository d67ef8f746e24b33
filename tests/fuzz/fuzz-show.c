/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples of a VM as `show` has them, and the offsets made of them. The sync
 * log is how they come in, because it is what all parts of a sample go into.
 */
#include <math.h>

#include "collector/log.h"
#include "collector/offsets.h"
#include "fuzz.h"

static void check_offset(const TcsOffset *offset)
{
    g_assert(offset->method != NULL && offset->guest[0] != '\0');
    if (offset->has_rate) {
        g_assert(isfinite(offset->rate) && isfinite(offset->rate_bound));
        g_assert(offset->rate_bound >= 0);
    }
    /* One moment: the three numbers say the same, within the bound. */
    if (!offset->is_ticks) {
        gint64 apart = (gint64)(offset->guest_value - offset->host_value -
                                (guint64)offset->offset);

        g_assert(offset->bound >= (guint64)ABS(apart) || offset->bound > 0 ||
                 apart == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(TcsLog) log = NULL;
    g_autoptr(TcsOffsets) offsets = NULL;

    fuzz_file(data, size);
    log = tcs_log_read(fuzz_file_path(), NULL);
    if (!log || log->samples->len == 0) {
        return 0;
    }
    offsets = tcs_offsets_new(log->samples, log->host_slew_ppm, NULL);
    for (guint i = 0; i < offsets->offsets->len; i++) {
        check_offset(&g_array_index(offsets->offsets, TcsOffset, i));
    }
    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        g_assert(refusal->reason != NULL && refusal->guest[0] != '\0');
        g_assert(g_utf8_validate(refusal->reason, -1, NULL));
    }
    return 0;
}
