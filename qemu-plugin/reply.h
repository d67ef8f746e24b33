/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turns reports into the QObject that QMP sends, member by member as in
 * qapi/trace-clock-sync.json.
 */
#ifndef QEMU_PLUGIN_REPLY_H
#define QEMU_PLUGIN_REPLY_H

#include <stddef.h>

#include "backend.h"

/* accel: the accelerator's name. The caller owns the result. */
QDict *tcs_reply_new(const char *accel, const struct tcs_vm_report *vm,
                     const struct tcs_vcpu_report *vcpus, size_t n);

#endif
