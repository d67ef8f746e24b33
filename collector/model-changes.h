/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moments at which a log tells that a guest's clocks may have left their
 * course: a vCPU's counter got another mapping, or the VM stopped or went on.
 * From a clock's outermost readings nothing is known beyond such a moment.
 */
#ifndef COLLECTOR_MODEL_CHANGES_H
#define COLLECTOR_MODEL_CHANGES_H

#include "clocksync/timeline.h"
#include "qmp-reply.h"

G_BEGIN_DECLS

typedef struct TcsModelChanges TcsModelChanges;

TcsModelChanges *tcs_model_changes_new(void);
void tcs_model_changes_free(TcsModelChanges *changes);

/* What the next reply tells; in their order. */
void tcs_model_changes_add(TcsModelChanges *changes, const TcsQmpReply *reply);

/* How far a finished timeline of a guest's clock reaches. */
struct tcs_host_span
tcs_model_changes_reach(const TcsModelChanges *changes,
                        const struct tcs_timeline *timeline);

G_END_DECLS

#endif
