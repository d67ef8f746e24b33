/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arguments that qemu-ga hands to the extension: this is the qemu-ga. It
 * prints the arguments of a request that it has parsed itself, and parses the
 * reply. No clock is read, as in fuzz-agent.c.
 */
#include <string.h>

#include <json-c/json.h>

#include "fuzz.h"
#include "guest-agent/clocks.h"
#include "guest-agent/probe.h"
#include "guest-agent/qga-symbols.h"

struct QmpCommandList {
    int unused;
};
struct QDict {
    const uint8_t *text;
    size_t size;
};
struct QObject {
    int unused;
};
struct Error {
    int unused;
};

QmpCommandList ga_commands;
static QmpCommandFunc *commands[4];
static size_t n_commands;
static Error error_set;
static QObject reply_set;

bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error);
json_object *__wrap_tga_probe(json_object *arguments,
                              const struct tga_stamp *arrival, GError **error);
json_object *__real_tga_probe(json_object *arguments,
                              const struct tga_stamp *arrival, GError **error);

/* Refused, with what a guest may have put into the request. */
bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error)
{
    g_assert(request->samples >= 1 && request->samples <= TGA_SAMPLES_MAX);
    g_assert(request->n_cpus <= TGA_CPUS_MAX);
    g_set_error(error, g_quark_from_static_string("fuzz"), 1, "%s",
                request->clocks && request->clocks[0] ? request->clocks[0]
                                                      : "none");
    return false;
}

json_object *__wrap_tga_probe(json_object *arguments,
                              const struct tga_stamp *arrival, GError **error)
{
    g_assert(json_object_is_type(arguments, json_type_object));
    return __real_tga_probe(arguments, arrival, error);
}

void qmp_register_command(QmpCommandList *cmds, const char *name,
                          QmpCommandFunc *fn, int options, uint64_t features)
{
    g_assert(cmds == &ga_commands && n_commands < G_N_ELEMENTS(commands));
    commands[n_commands++] = fn;
}

const QmpCommand *qmp_find_command(const QmpCommandList *cmds, const char *name)
{
    return strcmp(name, "guest-ping") == 0 ? (const QmpCommand *)cmds : NULL;
}

GString *qobject_to_json(const QObject *object)
{
    const QDict *arguments = (const QDict *)object;

    return g_string_new_len((const char *)arguments->text,
                            (gssize)arguments->size);
}

QObject *qobject_from_json(const char *text, Error **errp)
{
    enum json_tokener_error problem;
    json_object *value = json_tokener_parse_verbose(text, &problem);

    g_assert(json_object_is_type(value, json_type_object));
    json_object_put(value);
    return &reply_set;
}

void error_setg_internal(Error **errp, const char *src, int line,
                         const char *func, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_assert(*text != '\0' && *errp == NULL);
    *errp = &error_set;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_main_loop_unref(g_main_loop_new(NULL, FALSE)); /* it extends us here */
    g_assert(n_commands == 2);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) text =
        g_string_new_len((const char *)data, (gssize)size);
    json_object *parsed;
    QDict arguments = { (const uint8_t *)text->str, text->len };

    /* What qemu-ga prints is an object, in its own words. */
    if (memchr(data, 0, size) != NULL) {
        return 0;
    }
    parsed = json_tokener_parse(text->str);
    if (!json_object_is_type(parsed, json_type_object)) {
        json_object_put(parsed);
        return 0;
    }
    json_object_put(parsed);
    for (size_t i = 0; i < n_commands; i++) {
        QObject *reply = NULL;
        Error *error = NULL;

        commands[i](&arguments, &reply, &error);
        g_assert(!reply == !!error);
    }
    return 0;
}
