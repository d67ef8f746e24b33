/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything of qemu-ga that the extension uses: functions only, and one
 * variable by its address, as qemu-ga 7.2 to 11.1 export them. Weak, so that
 * the library loads anywhere and can see what is missing. Our own words for
 * their types; none is ever looked into.
 */
#ifndef GUEST_AGENT_QGA_SYMBOLS_H
#define GUEST_AGENT_QGA_SYMBOLS_H

#include <stdint.h>

#include <glib.h>

#define QGA_WEAK __attribute__((weak, visibility("default")))

typedef struct Error Error;
typedef struct QDict QDict;
typedef struct QObject QObject;
typedef struct QmpCommand QmpCommand;
typedef struct QmpCommandList QmpCommandList;
typedef void QmpCommandFunc(QDict *args, QObject **ret, Error **errp);

extern QmpCommandList ga_commands QGA_WEAK;

/* `features` is unsigned int in 7.2: 0 looks the same to both. */
extern void qmp_register_command(QmpCommandList *cmds, const char *name,
                                 QmpCommandFunc *fn, int options,
                                 uint64_t features) QGA_WEAK;
extern const QmpCommand *qmp_find_command(const QmpCommandList *cmds,
                                          const char *name) QGA_WEAK;

/* A QDict starts with its QObject. */
extern GString *qobject_to_json(const QObject *obj) QGA_WEAK;
extern QObject *qobject_from_json(const char *text, Error **errp) QGA_WEAK;

extern void error_setg_internal(Error **errp, const char *src, int line,
                                const char *func, const char *fmt, ...) QGA_WEAK
    G_GNUC_PRINTF(5, 6);

#endif
