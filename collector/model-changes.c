/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See model-changes.h.
 */
#include "model-changes.h"

struct TcsModelChanges {
    GArray *moments; /* of struct tcs_host_span: it was within */
    struct tcs_host_span last;
    gboolean has_last;
    gboolean was_running;
};

TcsModelChanges *tcs_model_changes_new(void)
{
    TcsModelChanges *changes = g_new0(TcsModelChanges, 1);

    changes->moments = g_array_new(FALSE, FALSE, sizeof(struct tcs_host_span));
    return changes;
}

void tcs_model_changes_free(TcsModelChanges *changes)
{
    if (changes) {
        g_array_unref(changes->moments);
        g_free(changes);
    }
}

void tcs_model_changes_add(TcsModelChanges *changes, const TcsQmpReply *reply)
{
    struct tcs_host_span read;

    for (guint i = 0; i < reply->epochs->len; i++) {
        const TcsEpoch *epoch = &g_array_index(reply->epochs, TcsEpoch, i);
        const struct tcs_host_span at = { epoch->host_counter,
                                          epoch->host_counter };

        /* A vCPU's first one changes nothing. */
        if (!epoch->is_first) {
            g_array_append_val(changes->moments, at);
        }
    }
    if (!tcs_qmp_reply_counters(reply, &read)) {
        return;
    }
    if (changes->has_last && changes->was_running != reply->running) {
        const struct tcs_host_span at = { changes->last.hi, read.lo };

        g_array_append_val(changes->moments, at);
    }
    changes->last = read;
    changes->has_last = TRUE;
    changes->was_running = reply->running;
}

struct tcs_host_span
tcs_model_changes_reach(const TcsModelChanges *changes,
                        const struct tcs_timeline *timeline)
{
    struct tcs_host_span reach = { { 0 }, { UINT64_MAX } };

    for (guint i = 0; i < changes->moments->len && timeline->n > 0; i++) {
        const struct tcs_host_span at =
            g_array_index(changes->moments, struct tcs_host_span, i);

        if (at.hi.ticks <= timeline->readings[0].when.lo.ticks) {
            reach.lo.ticks = MAX(reach.lo.ticks, at.hi.ticks);
        }
        if (at.lo.ticks >= timeline->readings[timeline->n - 1].when.hi.ticks) {
            reach.hi.ticks = MIN(reach.hi.ticks, at.lo.ticks);
        }
    }
    return reach;
}
