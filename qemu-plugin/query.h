/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-trace-clock-sync as a whole, the same for every edge: the plugin's and
 * the one compiled into QEMU. Knows neither how it was registered nor how its
 * arguments came.
 */
#ifndef QEMU_PLUGIN_QUERY_H
#define QEMU_PLUGIN_QUERY_H

#include <stdbool.h>

#include "backend.h"

/*
 * The command's reply, as in qapi/trace-clock-sync.json, to be unreferenced by
 * the caller; NULL with *errp set. `vcpus` counts only where has_vcpus. On the
 * main thread with the big QEMU lock, which is given up for a while.
 */
QDict *tcs_query(enum tcs_source source, bool has_vcpus, const intList *vcpus,
                 Error **errp);

#endif
