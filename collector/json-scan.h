/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A look at JSON text before json-c gets it: finds what json-c would bend
 * silently or spend too much memory on. Does not check the grammar between
 * tokens; json-c does.
 */
#ifndef COLLECTOR_JSON_SCAN_H
#define COLLECTOR_JSON_SCAN_H

#include <glib.h>

G_BEGIN_DECLS

/* ret_members: members of all objects together, counted by their colons. */
gboolean tcs_json_scan(const char *text, gsize length, gsize *ret_members,
                       GError **error);

G_END_DECLS

#endif
