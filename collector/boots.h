/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boots of a guest that a log covers. Its clocks begin anew with each, so a
 * stamp says which moment it means only where its boot is known.
 */
#ifndef COLLECTOR_BOOTS_H
#define COLLECTOR_BOOTS_H

#include "log.h"

G_BEGIN_DECLS

/*
 * Leaves in the log the samples of one boot alone: `which` is its number, from
 * 1 on in their order, or its boot id (/proc/sys/kernel/random/boot_id).
 * TCS_ERROR_USAGE where there is none such; it lists those there are.
 */
gboolean tcs_boots_keep(TcsLog *log, const char *which, GError **error);

/*
 * Adds to an error about a clock that was set back, or stamps that the log does
 * not know, that there are several boots to choose from; nothing for one.
 */
void tcs_boots_explain(const TcsLog *log, GError **error);

G_END_DECLS

#endif
