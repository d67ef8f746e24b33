/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU itself does to counters: reset, stop and cont, loadvm, migration.
 * Costs nothing until one of these happens.
 */
#ifndef QEMU_PLUGIN_EVENTS_H
#define QEMU_PLUGIN_EVENTS_H

#include "backend.h"

/*
 * From now on every vCPU's mapping is read before and after each such event,
 * and the epochs that begin then have their cause. Where this QEMU lacks the
 * hooks nothing happens: changes are seen by the next query, cause unknown.
 */
void tcs_events_watch(enum tcs_source source);

/*
 * What a change that is seen now is due to, a string literal: the event that
 * QEMU is in the middle of, or TCS_CAUSE_UNKNOWN.
 */
const char *tcs_events_cause(void);

#endif
