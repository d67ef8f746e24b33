/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of JSON objects into arrays of structs, and strings into fields: what
 * both replies' parsers share on top of json-util.h.
 */
#ifndef COLLECTOR_JSON_LIST_H
#define COLLECTOR_JSON_LIST_H

#include "json-util.h"

G_BEGIN_DECLS

/* Fills one zeroed element; sets TCS_ERROR_PROTOCOL and returns FALSE. */
typedef gboolean (*TcsElementParser)(json_object *object, gpointer element,
                                     GError **error);

/* At most max_count elements; messages name the element. */
gboolean tcs_json_get_list(json_object *object, const char *member,
                           gsize max_count, TcsElementParser parse,
                           GArray *array, GError **error);

/* A printable string of at most size - 1 bytes, with its NUL, into `ret`. */
gboolean tcs_json_copy_string(json_object *object, const char *member,
                              char *ret, gsize size, GError **error);

G_END_DECLS

#endif
