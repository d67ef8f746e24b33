/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-ga makes text of a reply on its own, so the number is made at once.
 */
#include "late-number.h"

json_object *tga_late_uint64(uint64_t (*make)(void *data), void *data,
                             void (*release)(void *data))
{
    uint64_t number = make(data);

    release(data);
    return json_object_new_uint64(number);
}
