/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM being asked: its monitor, and its agent where there is one. A sample
 * is the monitor's answer, the agent's answer, and the monitor's again, so that
 * what the guest says is enclosed by what the hypervisor says.
 */
#ifndef COLLECTOR_SESSION_H
#define COLLECTOR_SESSION_H

#include <gio/gio.h>
#include <json-c/json.h>

#include "guest-reply.h"
#include "host-clocks.h"
#include "qmp-reply.h"

G_BEGIN_DECLS

typedef struct {
    char *qmp;   /* address */
    char *agent; /* address, or NULL */
    guint timeout_ms;
    guint agent_samples; /* readings per clock the agent takes */
    char **clocks;       /* guest clocks to ask for; NULL: the agent's choice */
    TcsHostClocks *host_clocks; /* to be read as well; borrowed; NULL: none */
} TcsSessionOptions;

/*
 * What was read, as it came (json_object) and checked (structs). The guest's
 * part is NULL where there is no agent or the VM is paused.
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
     * Of TcsHostClock, `host_clocks` among them; empty where the VM runs on
     * another machine.
     */
    GArray *local_clocks;
    gboolean is_local;
} TcsSample;

void tcs_sample_free(TcsSample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsSample, tcs_sample_free)

typedef struct TcsSession TcsSession;

/* Copies the options. */
TcsSession *tcs_session_new(const TcsSessionOptions *options);
void tcs_session_free(TcsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsSession, tcs_session_free)

/*
 * Drops the connections: the next sample makes new ones. After a failed sample,
 * whose connection may be unusable.
 */
void tcs_session_reset(TcsSession *session);

/* The VM's name as QEMU has it, else its monitor's address. */
const char *tcs_session_vm(const TcsSession *session);

/* How the agent is reached, or NULL before it was. */
const char *tcs_session_route(const TcsSession *session);

/*
 * Takes one sample, connecting first where necessary. The session outlives the
 * call. One at a time.
 */
void tcs_session_sample_async(TcsSession *session, GAsyncReadyCallback callback,
                              gpointer user_data);
TcsSample *tcs_session_sample_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
