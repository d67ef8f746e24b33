/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the place of the plugin's qemu-symbols.h where the same sources are
 * compiled in QEMU's tree: QEMU's own declarations instead of ours, so that
 * the compiler checks every use. 7.2 and 10.0 differ in where they are.
 */
#ifndef QEMU_PLUGIN_QEMU_SYMBOLS_H
#define QEMU_PLUGIN_QEMU_SYMBOLS_H

#include "qemu/osdep.h"
#if __has_include("qobject/qdict.h")
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "system/cpu-timers.h"
#include "system/kvm.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"
#include "system/tcg.h"
#else
#include "qapi/qmp/qdict.h"
#include "qapi/qmp/qlist.h"
#include "qapi/qmp/qnum.h"
#include "sysemu/cpu-timers.h"
#include "sysemu/kvm.h"
#include "sysemu/reset.h"
#include "sysemu/runstate.h"
#include "sysemu/sysemu.h"
#include "sysemu/tcg.h"
#endif
#if __has_include("exec/icount.h")
#include "exec/icount.h"
#endif
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-types.h"
#include "qapi/qapi-types-run-state.h"
#include "qapi/util.h"
#include "qemu/accel.h"
#include "qemu/main-loop.h"
#include "qom/object.h"
#include "qom/qom-qobject.h"

/* The shared sources ask whether a symbol is there; here all of them are... */
#pragma GCC diagnostic ignored "-Waddress"

/* ...but for the big lock, which has one name or the other. */
#ifdef bql_lock
#define qemu_mutex_lock_iothread_impl bql_lock_impl
#define qemu_mutex_unlock_iothread    bql_unlock
#else
#define bql_lock_impl qemu_mutex_lock_iothread_impl
#define bql_unlock    qemu_mutex_unlock_iothread
#endif

/* QEMU's own macro takes care of the argument that came after 7.2. */
#define aio_bh_schedule_oneshot_full(context, work, opaque, name, guard) \
    aio_bh_schedule_oneshot(context, work, opaque)

#endif
