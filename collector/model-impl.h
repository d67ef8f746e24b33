/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a model is made of: for model.c, which answers, and model-build.c, which
 * makes it from a log.
 */
#ifndef COLLECTOR_MODEL_IMPL_H
#define COLLECTOR_MODEL_IMPL_H

#include "clocksync/counter-epochs.h"
#include "clocksync/staircase.h"
#include "clocksync/timeline-cursor.h"
#include "counter-lines.h"
#include "model.h"

typedef enum {
    TCS_CLOCK_TIME,          /* ns: timeline */
    TCS_CLOCK_HOST_COUNTER,  /* the axis of everything */
    TCS_CLOCK_GUEST_COUNTER, /* ticks: epochs */
    TCS_CLOCK_GUEST_LINES,   /* ticks: lines, where no hypervisor tells */
    TCS_CLOCK_COUNT,         /* a number of events: staircase */
} TcsClockKind;

struct TcsModelClock {
    char *name;
    TcsClockKind kind;
    struct tcs_counter_epochs epochs;
    TcsCounterLines *lines;
    gint64 resolution_ns; /* the largest seen */
    struct tcs_timeline timeline;
    struct tcs_staircase staircase;
    guint contradictions; /* readings that the hypervisor excludes */
};

struct TcsModel {
    GPtrArray *clocks;   /* of TcsModelClock */
    GPtrArray *warnings; /* of char * */
};

TcsModel *tcs_model_new_empty(void);

/* The clock of that name, or NULL. */
TcsModelClock *tcs_model_lookup(const TcsModel *model, const char *name);

/* Consumes `name`, which the model does not have yet. */
TcsModelClock *tcs_model_add(TcsModel *model, char *name, TcsClockKind kind);

/* What clocksync returned: without memory there is nothing to go on with. */
void tcs_check_memory(int ret);

/* Makes the vCPUs' counters of a model: replies in their order, then finish. */
typedef struct TcsModelCounters TcsModelCounters;

TcsModelCounters *tcs_model_counters_new(TcsModel *model);
void tcs_model_counters_add(TcsModelCounters *counters,
                            const TcsQmpReply *reply);

/* Frees it; `name` is what the vCPUs' counter is. */
void tcs_model_counters_finish(TcsModelCounters *counters, const char *name);

#endif
