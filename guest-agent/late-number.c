/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json-c's way. A qemu-ga that the agent's core is compiled into has one of its
 * own, in in-tree/.
 */
#include "late-number.h"

#include <inttypes.h>
#include <stdio.h>

#include <glib.h>

struct late_number {
    uint64_t (*make)(void *data);
    void *data;
    void (*release)(void *data);
};

static int make_text(json_object *object, struct printbuf *text, int level,
                     int flags)
{
    const struct late_number *number = json_object_get_userdata(object);
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64,
                       number->make(number->data));

    return printbuf_memappend(text, digits, len);
}

static void free_number(json_object *object, void *userdata)
{
    struct late_number *number = userdata;

    number->release(number->data);
    g_free(number);
}

json_object *tga_late_uint64(uint64_t (*make)(void *data), void *data,
                             void (*release)(void *data))
{
    struct late_number *number = g_new(struct late_number, 1);
    json_object *object = json_object_new_uint64(0);

    *number = (struct late_number){ make, data, release };
    json_object_set_serializer(object, make_text, number, free_number);
    return object;
}
