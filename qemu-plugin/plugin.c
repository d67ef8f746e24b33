/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edge towards a QEMU that is not ours: load, check, register, and the QMP
 * handler. All else is in the files it calls.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "events.h"
#include "query.h"

#define COMMAND "query-trace-clock-sync"

/*
 * The plugin interface we ask for. QEMU compares it with the range it serves
 * right after the library's constructors have run, so the constructor sets it
 * to suit the QEMU it finds itself in; nothing of the interface that changed
 * between versions is used.
 */
QEMU_EXPORT int qemu_plugin_version = 1;

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                    const qemu_info_t *info, int argc,
                                    char **argv);

static enum tcs_source source = TCS_SOURCE_AUTO;

/* For a QEMU newer than any this was written for. */
#define VERSION_VARIABLE "TRACE_CLOCK_SYNC_PLUGIN_API"

__attribute__((constructor)) static void suit_plugin_version(void)
{
    const char *wanted = getenv(VERSION_VARIABLE);

    if (wanted) {
        qemu_plugin_version = atoi(wanted);
        return;
    }
    if (!qmp_query_version || !qapi_free_VersionInfo) {
        return;
    }
    VersionInfo *info = qmp_query_version(NULL);
    int64_t release = info->qemu->major * 100 + info->qemu->minor;

    qapi_free_VersionInfo(info);
    if (release >= 1101) {
        qemu_plugin_version = 7; /* 11.1: 7 and up */
    } else if (release >= 900) {
        qemu_plugin_version = 2; /* 9.0 to 11.0: 2 and up */
    }
}

/* The first symbol without which nothing works, or NULL. */
static const char *missing_symbol(void)
{
#define NEED(symbol)    \
    if (!&symbol) {     \
        return #symbol; \
    }
    NEED(qmp_commands)
    NEED(qmp_register_command)
    NEED(qdict_new)
    NEED(qdict_put_obj)
    NEED(qdict_put_int)
    NEED(qdict_put_bool)
    NEED(qdict_put_str)
    NEED(qdict_get_try_int)
    NEED(qdict_unref)
    NEED(qlist_new)
    NEED(qlist_append_obj)
    NEED(qnum_from_uint)
    NEED(qobject_input_visitor_new)
    NEED(visit_start_struct)
    NEED(visit_check_struct)
    NEED(visit_end_struct)
    NEED(visit_optional)
    NEED(visit_type_intList)
    NEED(visit_free)
    NEED(qapi_free_intList)
    NEED(error_setg_internal)
    NEED(qdev_get_machine)
    NEED(current_accel)
    NEED(object_get_typename)
    NEED(object_property_find)
    NEED(object_property_get_qobject)
    NEED(object_property_get_bool)
    NEED(object_property_get_uint)
    NEED(qemu_get_cpu)
    NEED(runstate_is_running)
    NEED(async_run_on_cpu)
    if (!(bql_lock_impl && bql_unlock) &&
        !(qemu_mutex_lock_iothread_impl && qemu_mutex_unlock_iothread)) {
        return "bql_unlock";
    }
#undef NEED
    return NULL;
}

/*
 * The command's arguments, checked by QEMU's own visitor so that errors read
 * as for any other command. *ret_list is NULL where none was given; the caller
 * frees it.
 */
static bool parse_arguments(QDict *args, bool *ret_given, intList **ret_list,
                            Error **errp)
{
    Visitor *v = qobject_input_visitor_new((QObject *)args);
    bool ok = visit_start_struct(v, NULL, NULL, 0, errp);

    *ret_given = false;
    *ret_list = NULL;
    if (ok) {
        ok = (!visit_optional(v, "vcpus", ret_given) ||
              visit_type_intList(v, "vcpus", ret_list, errp)) &&
             visit_check_struct(v, errp);
        visit_end_struct(v, NULL);
    }
    visit_free(v);
    return ok;
}

static void handle_query(QDict *args, QObject **ret, Error **errp)
{
    intList *wanted;
    bool given;

    if (parse_arguments(args, &given, &wanted, errp)) {
        *ret = (QObject *)tcs_query(source, given, wanted, errp);
        qapi_free_intList(wanted);
    }
}

static bool parse_option(const char *option)
{
    static const struct {
        const char *text;
        enum tcs_source source;
    } known[] = {
        { "source=auto", TCS_SOURCE_AUTO },
        { "source=kvm-device-attr", TCS_SOURCE_KVM_DEVICE_ATTR },
        { "source=kvm-msr", TCS_SOURCE_KVM_MSR },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(option, known[i].text) == 0) {
            source = known[i].source;
            return true;
        }
    }
    fprintf(stderr,
            "trace-clock-sync: unknown plugin option '%s'; known is "
            "source=auto|kvm-device-attr|kvm-msr\n",
            option);
    return false;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                        char **argv)
{
    const char *missing = missing_symbol();

    if (!info->system_emulation) {
        fprintf(stderr, "trace-clock-sync: user-mode emulation has no vCPU "
                        "counters to report; use a system emulator\n");
        return -1;
    }
    if (missing) {
        fprintf(stderr,
                "trace-clock-sync: this QEMU does not export '%s'; it was "
                "built without --enable-modules. Use a distribution's build "
                "that has modules, or build QEMU with the in-tree patch\n",
                missing);
        return -1;
    }
    for (int i = 0; i < argc; i++) {
        if (!parse_option(argv[i])) {
            return -1;
        }
    }
    if (qmp_find_command && qmp_find_command(&qmp_commands, COMMAND)) {
        fprintf(stderr, "trace-clock-sync: this QEMU has " COMMAND
                        " built in; the plugin leaves it alone and can be "
                        "left out\n");
        return 0;
    }
    if (!tcs_backends_prepare(info->target_name)) {
        fprintf(stderr,
                "trace-clock-sync: guests of target '%s' have no counter that "
                "this plugin knows; x86_64, i386, aarch64, ppc64 and "
                "riscv64 are supported\n",
                info->target_name);
        return -1;
    }
    tcs_events_watch(source);
    qmp_register_command(&qmp_commands, COMMAND, handle_query, 0, 0);
    return 0;
}
