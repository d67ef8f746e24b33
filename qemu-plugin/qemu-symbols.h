/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every QEMU symbol this plugin uses outside the public plugin interface, with
 * the parts of that interface it needs. Functions only, and no field of any
 * QEMU structure but the first members of two QAPI types, so that one binary
 * serves QEMU 7.2 to 11.1.
 *
 * All are weak: a QEMU that does not export them (built without modules) or
 * lacks an accelerator still loads the plugin, which can then say what is
 * missing. Where a declaration differs between releases the comment says why
 * the one here is right for all.
 */
#ifndef QEMU_PLUGIN_QEMU_SYMBOLS_H
#define QEMU_PLUGIN_QEMU_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#define QEMU_WEAK   __attribute__((weak))
#define QEMU_EXPORT __attribute__((visibility("default")))

/* --- The public plugin interface (qemu-plugin.h), common to all versions ---
 */

typedef uint64_t qemu_plugin_id_t;

typedef struct qemu_info_t {
    const char *target_name;
    struct {
        int min;
        int cur;
    } version;
    bool system_emulation;
} qemu_info_t;

/* --- QObject, QAPI --- */

typedef struct QObject QObject;
typedef struct QDict QDict;
typedef struct QList QList;
typedef struct QNum QNum;
typedef struct QString QString;
typedef struct Error Error;
typedef struct Visitor Visitor;
typedef struct QmpCommandList QmpCommandList;

/* QAPI's generated lists: next, value. */
typedef struct intList {
    struct intList *next;
    int64_t value;
} intList;

/* QAPI's generated structs keep the schema's order, extended at the end. */
typedef struct VersionTriple {
    int64_t major;
    int64_t minor;
} VersionTriple;
typedef struct VersionInfo {
    VersionTriple *qemu;
} VersionInfo;

extern QmpCommandList qmp_commands QEMU_WEAK;
/* features: unsigned (7.2), uint64_t (10.0); 0 is the same register. */
QEMU_WEAK void qmp_register_command(QmpCommandList *commands, const char *name,
                                    void (*handler)(QDict *, QObject **,
                                                    Error **),
                                    int options, uint64_t features);
QEMU_WEAK const void *qmp_find_command(const QmpCommandList *commands,
                                       const char *name);
QEMU_WEAK VersionInfo *qmp_query_version(Error **errp);
QEMU_WEAK void qapi_free_VersionInfo(VersionInfo *info);

QEMU_WEAK QDict *qdict_new(void);
QEMU_WEAK void qdict_put_obj(QDict *dict, const char *key, QObject *value);
QEMU_WEAK void qdict_put_int(QDict *dict, const char *key, int64_t value);
QEMU_WEAK void qdict_put_bool(QDict *dict, const char *key, bool value);
QEMU_WEAK void qdict_put_str(QDict *dict, const char *key, const char *value);
QEMU_WEAK int64_t qdict_get_try_int(const QDict *dict, const char *key,
                                    int64_t fallback);
QEMU_WEAK void qdict_unref(QDict *dict);
QEMU_WEAK QList *qlist_new(void);
QEMU_WEAK void qlist_append_obj(QList *list, QObject *value);
QEMU_WEAK QNum *qnum_from_uint(uint64_t value);

QEMU_WEAK Visitor *qobject_input_visitor_new(QObject *object);
QEMU_WEAK bool visit_start_struct(Visitor *v, const char *name, void **object,
                                  uint64_t size, Error **errp);
QEMU_WEAK bool visit_check_struct(Visitor *v, Error **errp);
QEMU_WEAK void visit_end_struct(Visitor *v, void **object);
QEMU_WEAK bool visit_optional(Visitor *v, const char *name, bool *present);
QEMU_WEAK bool visit_type_intList(Visitor *v, const char *name, intList **list,
                                  Error **errp);
QEMU_WEAK void visit_free(Visitor *v);
QEMU_WEAK void qapi_free_intList(intList *list);

QEMU_WEAK void error_setg_internal(Error **errp, const char *src, int line,
                                   const char *function, const char *format,
                                   ...) __attribute__((format(printf, 5, 6)));
#define error_setg(errp, ...) \
    error_setg_internal((errp), __FILE__, __LINE__, __func__, __VA_ARGS__)

/* --- Objects, the machine, vCPUs --- */

typedef struct Object Object;
typedef struct CPUState CPUState; /* begins with its Object */

QEMU_WEAK Object *qdev_get_machine(void);
QEMU_WEAK Object *current_accel(void);
QEMU_WEAK const char *object_get_typename(const Object *object);
QEMU_WEAK void *object_property_find(Object *object, const char *name);
QEMU_WEAK QObject *object_property_get_qobject(Object *object, const char *name,
                                               Error **errp);
QEMU_WEAK bool object_property_get_bool(Object *object, const char *name,
                                        Error **errp);
QEMU_WEAK uint64_t object_property_get_uint(Object *object, const char *name,
                                            Error **errp);

QEMU_WEAK CPUState *qemu_get_cpu(int index);
QEMU_WEAK bool runstate_is_running(void);

/* QAPI's RunState, an enum without negative values, told apart by name alone.
 */
typedef unsigned int RunState;
typedef struct QEnumLookup QEnumLookup;
extern const QEnumLookup RunState_lookup QEMU_WEAK;
QEMU_WEAK const char *qapi_enum_lookup(const QEnumLookup *lookup, int value);
QEMU_WEAK bool runstate_check(RunState state);
QEMU_WEAK void *qemu_add_vm_change_state_handler(void (*changed)(void *, bool,
                                                                 RunState),
                                                 void *opaque);
QEMU_WEAK void qemu_register_reset(void (*reset)(void *), void *opaque);
/* The same, but not called for the reset that begins loadvm. */
QEMU_WEAK void qemu_register_reset_nosnapshotload(void (*reset)(void *),
                                                  void *opaque);

/* The last argument came after 7.2 as a pointer to a guard; NULL is none. */
typedef struct AioContext AioContext;
QEMU_WEAK AioContext *qemu_get_aio_context(void);
QEMU_WEAK void aio_bh_schedule_oneshot_full(AioContext *context,
                                            void (*work)(void *), void *opaque,
                                            const char *name, void *guard);

/* An 8-byte union, passed by value like a pointer. */
typedef union {
    void *host_ptr;
    uint64_t target_ptr;
} run_on_cpu_data;
QEMU_WEAK void async_run_on_cpu(CPUState *cpu,
                                void (*work)(CPUState *, run_on_cpu_data),
                                run_on_cpu_data data);

/* The big QEMU lock: 7.2 to 8.2, then 9.0 on. */
QEMU_WEAK void qemu_mutex_lock_iothread_impl(const char *file, int line);
QEMU_WEAK void qemu_mutex_unlock_iothread(void);
QEMU_WEAK void bql_lock_impl(const char *file, int line);
QEMU_WEAK void bql_unlock(void);

/* --- KVM --- */

typedef struct KVMState KVMState;
extern KVMState *kvm_state QEMU_WEAK;
extern bool kvm_allowed QEMU_WEAK;
/*
 * request: int (7.2), unsigned long (10.0). ioctl() itself looks at 32 bits.
 * Both return -errno.
 */
QEMU_WEAK int kvm_vm_ioctl(KVMState *state, unsigned long request, ...);
QEMU_WEAK int kvm_vcpu_ioctl(CPUState *cpu, unsigned long request, ...);

/* --- TCG --- */

extern bool tcg_allowed QEMU_WEAK;
extern int use_icount QEMU_WEAK; /* int (7.2), an enum with 0 = off (10.0) */
QEMU_WEAK int64_t cpus_get_elapsed_ticks(void);

#endif
