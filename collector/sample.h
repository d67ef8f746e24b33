/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sample of a VM: what host, guest and the methods said, as it came
 * (json_object) and checked (structs). Knows nothing of how it was asked.
 */
#ifndef COLLECTOR_SAMPLE_H
#define COLLECTOR_SAMPLE_H

#include <glib.h>
#include <json-c/json.h>

#include "evidence.h"
#include "guest-reply.h"
#include "qmp-reply.h"

G_BEGIN_DECLS

/*
 * The guest's part is NULL where there is no agent or the VM is paused. Where
 * no hypervisor was asked, its two answers are the collector's own view of the
 * host (host-view.h): no vCPU is in them.
 */
typedef struct {
    json_object *qmp_before_json, *guest_json, *qmp_after_json;
    TcsQmpReply *qmp_before, *qmp_after;
    TcsGuestReply *guest;
    /*
     * The host counter was somewhere in here while the guest read: after the
     * first query was answered, before the second one was.
     */
    struct tcs_host_span window;
    /*
     * Of TcsHostClock, those named on the command line among them; empty where
     * the VM runs on another machine.
     */
    GArray *local_clocks;
    gboolean is_local;
    gint64 query_us;     /* how long the two queries took */
    GPtrArray *evidence; /* of TcsEvidence, one for each method that ran */
    /* What guest readings are placed by; NULL: the hypervisor's mappings. */
    const TcsEvidence *placement;
} TcsSample;

/* This machine's counter around the two queries and the agent's answer. */
typedef struct {
    guint64 before_query_1, after_query_1;
    guint64 before_agent, after_agent;
    guint64 before_query_2, after_query_2;
} TcsLocalCounters;

TcsSample *tcs_sample_new(void);
void tcs_sample_free(TcsSample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsSample, tcs_sample_free)

/* The name of the method that guest readings are placed by. */
const char *tcs_sample_method(const TcsSample *sample);

/*
 * Fills `window` and `is_local` once both queries are in, and drops
 * `local_clocks` where they are of another machine. FALSE where the host's
 * counter ran backward between the queries.
 */
gboolean tcs_sample_enclose(TcsSample *sample, const TcsLocalCounters *local);

/*
 * Rates that a host clock may have between neighbouring readings, if it runs
 * off mono_raw's mean rate from one sample to the other (which may be the same)
 * by `ppm` at most.
 */
struct tcs_rate_span tcs_sample_host_rate(const TcsSample *first,
                                          const TcsSample *last, guint ppm);

/*
 * Makes counter lines of all evidence, once everything else is in the sample.
 * host_slew_ppm: see offsets.h. A method that turns out not to work has its
 * `error` set.
 */
void tcs_sample_fit(TcsSample *sample, guint host_slew_ppm);

/*
 * Places guest readings by this method from now on. FALSE where it does not
 * work in this sample, with its reason.
 */
gboolean tcs_sample_use(TcsSample *sample, const TcsMethod *method,
                        GError **error);

G_END_DECLS

#endif
