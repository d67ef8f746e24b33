/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reply to query-trace-clock-sync as C structs, checked. Does no I/O.
 */
#ifndef COLLECTOR_QMP_REPLY_H
#define COLLECTOR_QMP_REPLY_H

#include <glib.h>
#include <json-c/json.h>

#include "clocksync/counter-map.h"
#include "clocksync/reading.h"

G_BEGIN_DECLS

#define TCS_NAME_MAX   64
#define TCS_REASON_MAX 256

typedef struct {
    gint64 cpu_index;
    gboolean has_arch_id;
    gint64 arch_id;
    gint64 thread_id; /* 0 where unknown */
    gboolean has_map;
    struct tcs_counter_map map;
    char source[TCS_NAME_MAX + 1];
    char ratio_source[TCS_NAME_MAX + 1];
    /* Host counter around the read; both 0 where the vCPU did not answer. */
    struct tcs_host_span read_at;
    gboolean stable;
    char reason[TCS_REASON_MAX + 1];
} TcsVcpu;

typedef struct {
    char clock[TCS_NAME_MAX + 1];
    struct tcs_host_reading reading;
} TcsHostClock;

/* From host_counter on the vCPU had this mapping. */
typedef struct {
    gint64 generation;
    gint64 cpu_index;
    struct tcs_host_ticks host_counter;
    struct tcs_counter_map map;
    gboolean is_first;   /* nobody had looked at the vCPU before */
    gboolean is_arrival; /* the guest came from another QEMU or a file */
    char cause[TCS_NAME_MAX + 1];
} TcsEpoch;

typedef struct {
    char accel[TCS_NAME_MAX + 1];
    char counter[TCS_NAME_MAX + 1];
    gboolean running;
    gint64 generation;
    GArray *vcpus;       /* of TcsVcpu */
    GArray *host_clocks; /* of TcsHostClock */
    GArray *epochs;      /* of TcsEpoch, oldest first */
    /* A log keeps those only that an earlier reply had not: see log.h. */
    gboolean epochs_follow;
} TcsQmpReply;

/*
 * NULL and TCS_ERROR_PROTOCOL where the reply is not what the schema says or
 * has values out of range.
 */
TcsQmpReply *tcs_qmp_reply_parse(json_object *reply, GError **error);
void tcs_qmp_reply_free(TcsQmpReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsQmpReply, tcs_qmp_reply_free)

/* One element of host-clocks: a TcsElementParser (json-list.h). */
gboolean tcs_host_clock_parse(json_object *object, gpointer ret_host_clock,
                              GError **error);

/*
 * From the first to the last host counter read in a reply. FALSE where there is
 * none.
 */
gboolean tcs_qmp_reply_counters(const TcsQmpReply *reply,
                                struct tcs_host_span *ret);

/*
 * Whether both replies show the same stable mappings, so that what happened
 * between them can be placed. On FALSE, TCS_ERROR_REFUSED says what changed.
 */
gboolean tcs_qmp_reply_same_mappings(const TcsQmpReply *before,
                                     const TcsQmpReply *after, GError **error);

G_END_DECLS

#endif
