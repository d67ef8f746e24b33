/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See json-list.h.
 */
#include "json-list.h"

#include "error.h"

gboolean tcs_json_get_list(json_object *object, const char *member,
                           gsize max_count, TcsElementParser parse,
                           GArray *array, GError **error)
{
    json_object *list;

    if (!tcs_json_get_array(object, member, max_count, &list, error)) {
        return FALSE;
    }
    g_array_set_size(array, json_object_array_length(list));
    for (guint i = 0; i < array->len; i++) {
        json_object *element = json_object_array_get_idx(list, i);
        gpointer data = array->data + i * g_array_get_element_size(array);

        if (!json_object_is_type(element, json_type_object)) {
            g_set_error(error, TCS_ERROR, TCS_ERROR_PROTOCOL,
                        "%s[%u] is not an object", member, i);
            return FALSE;
        }
        if (!parse(element, data, error)) {
            g_prefix_error(error, "%s[%u]: ", member, i);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean tcs_json_copy_string(json_object *object, const char *member,
                              char *ret, gsize size, GError **error)
{
    const char *text;

    if (!tcs_json_get_string(object, member, size - 1, &text, error)) {
        return FALSE;
    }
    g_strlcpy(ret, text, size);
    return TRUE;
}
