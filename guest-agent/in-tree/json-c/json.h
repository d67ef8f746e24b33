/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of json-c as the agent's core uses, on QEMU's own objects, so that
 * the same sources are compiled into a qemu-ga that does not link json-c.
 */
#ifndef GUEST_AGENT_IN_TREE_JSON_H
#define GUEST_AGENT_IN_TREE_JSON_H

#include "qemu/osdep.h"
#if __has_include("qobject/qdict.h")
#include "qobject/qbool.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#else
#include "qapi/qmp/qbool.h"
#include "qapi/qmp/qdict.h"
#include "qapi/qmp/qlist.h"
#include "qapi/qmp/qnum.h"
#include "qapi/qmp/qstring.h"
#endif

typedef QObject json_object;
enum {
    json_type_int = QTYPE_QNUM,
    json_type_array = QTYPE_QLIST,
    json_type_string = QTYPE_QSTRING
};

#define json_object_new_object()   QOBJECT(qdict_new())
#define json_object_new_array()    QOBJECT(qlist_new())
#define json_object_new_boolean(b) QOBJECT(qbool_from_bool(b))
#define json_object_new_int(n)     QOBJECT(qnum_from_int(n))
#define json_object_new_int64(n)   QOBJECT(qnum_from_int(n))
#define json_object_new_uint64(n)  QOBJECT(qnum_from_uint(n))
#define json_object_new_string(s)  QOBJECT(qstring_from_str(s))

#define json_object_object_add(object, name, value) \
    qdict_put_obj(qobject_to(QDict, object), name, value)
#define json_object_array_add(array, value) \
    qlist_append_obj(qobject_to(QList, array), value)

#define json_object_is_type(value, type) (qobject_type(value) == (QType)(type))
#define json_object_get_string(value) \
    qstring_get_str(qobject_to(QString, value))
#define json_object_get_string_len(value) strlen(json_object_get_string(value))
/* Only for what came as int64 in the generated code's arguments. */
#define json_object_get_int64(value)    qnum_get_int(qobject_to(QNum, value))
#define json_object_array_length(array) qlist_size(qobject_to(QList, array))

static inline bool json_object_object_get_ex(json_object *object,
                                             const char *name,
                                             json_object **ret_value)
{
    *ret_value = qdict_get(qobject_to(QDict, object), name);
    return *ret_value;
}

static inline json_object *json_object_array_get_idx(json_object *array,
                                                     size_t index)
{
    const QListEntry *entry = qlist_first(qobject_to(QList, array));

    while (index-- > 0) {
        entry = qlist_next(entry);
    }
    return qlist_entry_obj(entry);
}

#define json_object_object_foreach(object, name, value)                     \
    const char *name = NULL;                                                \
    json_object *value = NULL;                                              \
    for (const QDictEntry *entry_ = qdict_first(qobject_to(QDict, object)); \
         entry_ && (name = qdict_entry_key(entry_),                         \
                   value = qdict_entry_value(entry_), true);                \
         entry_ = qdict_next(qobject_to(QDict, object), entry_))

#endif
