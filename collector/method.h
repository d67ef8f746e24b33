/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways to relate a guest CPU's counter to the host's. `hypervisor` has the
 * mapping told; every other method repeats a question to the agent before and
 * after the guest reads its clocks, and each answer ties the guest's counter to
 * the host's: a bound on either side (clocksync/exchange.h). A method is one
 * file and one line in method.c.
 */
#ifndef COLLECTOR_METHOD_H
#define COLLECTOR_METHOD_H

#include <glib.h>
#include <json-c/json.h>

#include "clocksync/reading.h"

G_BEGIN_DECLS

#define TCS_BOOT_ID_MAX 64

/* What one answer says of a counter. */
typedef struct {
    gint64 cpu; /* Linux CPU number in the guest */
    /* The guest's counter read ceiling at or after the host's read when.lo, */
    struct tcs_guest_ticks ceiling;
    /* and floor at or before the host's read when.hi. */
    struct tcs_guest_ticks floor;
    struct tcs_host_span when;
    /* The guest's clock in between, where the method goes by one. */
    struct tcs_ns_span value;
} TcsTie;

/* And whose counter it is. */
typedef struct {
    TcsTie tie;
    char counter[TCS_BOOT_ID_MAX + 1];
    char boot_id[TCS_BOOT_ID_MAX + 1];
} TcsAnswer;

typedef struct {
    const char *name;
    /* NULL where no question to the agent is needed. */
    const char *command;
    /* How often it is asked before the guest reads, and again after it. */
    guint requests;
    /* The host's realtime is read meanwhile and kept with each answer. */
    gboolean uses_realtime;
    /* What to do where the agent does not know the command. */
    const char *advice;
    /* `cpu`: where the guest is to read; negative: where it likes. */
    json_object *(*arguments)(gint64 cpu);
    /* The CPU that an answer speaks of. */
    gboolean (*cpu)(json_object *reply, gint64 *ret_cpu, GError **error);
    /*
     * `record`: an answer with what was read around it (evidence.h). `rate`:
     * of the host's realtime, in ns per host tick, between its readings.
     * TCS_ERROR_REFUSED or _PROTOCOL where it says nothing that can be used.
     */
    gboolean (*tie)(json_object *record, struct tcs_rate_span rate,
                    TcsAnswer *ret_answer, GError **error);
    /*
     * Rates the guest's counter may have over the host's, guest ticks (where
     * struct tcs_rate says ns) per host tick, from all ties (of TcsTie) and the
     * same `rate`. NULL: the ties alone are to tell.
     */
    gboolean (*rate)(const GArray *ties, struct tcs_rate_span rate,
                     struct tcs_rate_span *ret_rate, GError **error);
} TcsMethod;

extern const TcsMethod tcs_method_hypervisor;
extern const TcsMethod tcs_method_exchange;
extern const TcsMethod tcs_method_ptp_kvm;
extern const TcsMethod tcs_method_realtime;

/* All of them, the tightest first; ends with NULL. */
extern const TcsMethod *const tcs_methods[];

/* By name; NULL and TCS_ERROR_USAGE, which lists them. */
const TcsMethod *tcs_method_find(const char *name, GError **error);

G_END_DECLS

#endif
