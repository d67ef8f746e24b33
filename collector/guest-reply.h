/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reply to guest-get-trace-clocks as C structs, checked for form. Whether
 * its counters can be true is decided in place.c, which knows the hypervisor's
 * numbers. The guest is hostile.
 */
#ifndef COLLECTOR_GUEST_REPLY_H
#define COLLECTOR_GUEST_REPLY_H

#include <glib.h>
#include <json-c/json.h>

#include "clocksync/reading.h"

G_BEGIN_DECLS

#define TCS_GUEST_TEXT_MAX 256

typedef struct {
    gint64 cpu;
    gboolean has_arch_id;
    gint64 arch_id;
} TcsGuestCpu;

typedef struct {
    char clock[65];
    gint64 cpu;
    gboolean is_counter; /* the counter itself: value is in its brackets */
    gboolean is_count;   /* a number of events, no time (ftrace's "counter") */
    gboolean
        is_of_program; /* as a program in the guest reads it, by the vDSO */
    struct tcs_guest_reading reading;
    guint64 value; /* as shown by the clock: ns, or ticks of the counter */
} TcsGuestClock;

typedef struct {
    char clock[65];
    char reason[TCS_GUEST_TEXT_MAX + 1];
} TcsGuestUnavailable;

typedef struct {
    char counter[65];
    char clocksource[65];
    char boot_id[65];
    GArray *cpus;        /* of TcsGuestCpu */
    GArray *clocks;      /* of TcsGuestClock */
    GArray *unavailable; /* of TcsGuestUnavailable */
} TcsGuestReply;

/* NULL and TCS_ERROR_PROTOCOL where the reply is not what the schema says. */
TcsGuestReply *tcs_guest_reply_parse(json_object *reply, GError **error);
void tcs_guest_reply_free(TcsGuestReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsGuestReply, tcs_guest_reply_free)

/* The CPU of that number, or NULL where the guest did not list it. */
const TcsGuestCpu *tcs_guest_reply_find_cpu(const TcsGuestReply *reply,
                                            gint64 cpu);

G_END_DECLS

#endif
