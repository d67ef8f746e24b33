/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM being asked: its monitor, its agent, or both. A sample is the
 * monitor's answer, the agent's answer, and the monitor's again, so that what
 * the guest says is enclosed by what the hypervisor says; questions of other
 * methods go right before the agent's answer and right after it.
 */
#ifndef COLLECTOR_SESSION_H
#define COLLECTOR_SESSION_H

#include <gio/gio.h>

#include "domain.h"
#include "host-clocks.h"
#include "sample.h"

G_BEGIN_DECLS

/* In place of an address: through the session's domain. */
#define TCS_OF_DOMAIN "libvirt"

typedef struct {
    char *qmp;         /* address, or NULL: then only the agent is asked */
    char *agent;       /* address, or NULL */
    TcsDomain *domain; /* borrowed; NULL: both addresses are sockets' */
    /* How guest readings are placed; NULL: every method that can be tried. */
    const TcsMethod *method;
    guint timeout_ms;
    guint agent_samples; /* readings per clock the agent takes */
    char **clocks;       /* guest clocks to ask for; NULL: the agent's choice */
    /*
     * Read on this machine while the guest is asked: its POSIX clocks, of which
     * QEMU's answers have one reading each anyway, and others (borrowed).
     */
    gboolean reads_posix;
    TcsHostClocks *host_clocks; /* NULL: none */
} TcsSessionOptions;

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

/* The VM's name as QEMU has it, else its monitor's or agent's address. */
const char *tcs_session_vm(const TcsSession *session);

/* How the agent is reached, or NULL before it was. */
const char *tcs_session_route(const TcsSession *session);

/*
 * Takes one sample, connecting first where necessary. The session outlives the
 * call. One at a time. Where one method was asked for it is in use, or the
 * sample fails with its reason.
 */
void tcs_session_sample_async(TcsSession *session, GAsyncReadyCallback callback,
                              gpointer user_data);
TcsSample *tcs_session_sample_finish(GAsyncResult *result, GError **error);

G_END_DECLS

#endif
