/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines to requests, requests to commands, results to lines. All input is
 * taken for hostile: memory is bounded by one line. Knows no transport.
 */
#include "rpc.h"

#include <stdbool.h>
#include <string.h>

#include "answer.h"
#include "config.h"
#include "error.h"
#include "probe.h"
#include "reply-json.h"
#include "request.h"

#define SENTINEL 0xFF /* never part of UTF-8, so never part of JSON */

struct tga_rpc {
    GString *line;
    bool skipping; /* until the next newline: the line was too long */
};

struct command {
    const char *name;
    bool delimited; /* the reply follows a sentinel byte */
    json_object *(*run)(json_object *arguments, const struct tga_stamp *arrival,
                        GError **error);
};

static json_object *run_sync(json_object *arguments,
                             const struct tga_stamp *arrival, GError **error)
{
    static const char *const names[] = { "id", NULL };
    json_object *id;

    if (!tga_arguments_check(arguments, names, error)) {
        return NULL;
    }
    if (!json_object_object_get_ex(arguments, "id", &id) ||
        !json_object_is_type(id, json_type_int)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "argument 'id' must be given and be an integer");
        return NULL;
    }
    return json_object_get(id);
}

static json_object *run_ping(json_object *arguments,
                             const struct tga_stamp *arrival, GError **error)
{
    static const char *const names[] = { NULL };

    return tga_arguments_check(arguments, names, error)
               ? json_object_new_object()
               : NULL;
}

static json_object *run_read(json_object *arguments,
                             const struct tga_stamp *arrival, GError **error)
{
    return tga_answer(arguments, error);
}

static json_object *run_info(json_object *arguments,
                             const struct tga_stamp *arrival, GError **error);

static const struct command commands[] = {
    { "guest-sync-delimited", true, run_sync },
    { "guest-sync", false, run_sync },
    { "guest-ping", false, run_ping },
    { "guest-info", false, run_info },
    { "guest-get-trace-clocks", false, run_read },
    { "guest-trace-clock-probe", false, tga_probe },
};

static json_object *run_info(json_object *arguments,
                             const struct tga_stamp *arrival, GError **error)
{
    json_object *info = run_ping(arguments, arrival, error);
    json_object *list;

    if (info == NULL) {
        return NULL;
    }
    list = json_object_new_array();
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        json_object *entry = json_object_new_object();

        json_object_object_add(entry, "name",
                               json_object_new_string(commands[i].name));
        json_object_object_add(entry, "enabled", json_object_new_boolean(true));
        json_object_object_add(entry, "success-response",
                               json_object_new_boolean(true));
        json_object_array_add(list, entry);
    }
    json_object_object_add(info, "version",
                           json_object_new_string(TCS_VERSION));
    json_object_object_add(info, "supported_commands", list);
    return info;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static json_object *error_to_json(const char *class, const char *description)
{
    json_object *error = json_object_new_object();

    json_object_object_add(error, "class", json_object_new_string(class));
    json_object_object_add(error, "desc", json_object_new_string(description));
    return error;
}

/* Writes {member: value, "id": id} and takes `value`. */
static void append_reply(GString *reply, const char *member, json_object *value,
                         json_object *id)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, member, value);
    if (id != NULL) {
        json_object_object_add(object, "id", json_object_get(id));
    }
    g_string_append(reply,
                    json_object_to_json_string_ext(object, TGA_JSON_FLAGS));
    g_string_append_c(reply, '\n');
    json_object_put(object);
}

void tga_rpc_append_error(GString *reply, const char *description)
{
    append_reply(reply, "error", error_to_json("GenericError", description),
                 NULL);
}

/* The command that `request` asks for; NULL with *ret_class set if none. */
static const struct command *check_request(json_object *request,
                                           json_object **ret_arguments,
                                           const char **ret_class,
                                           GError **error)
{
    static const char *const names[] = { "execute", "arguments", "id", NULL };
    const struct command *command;
    json_object *name;

    *ret_class = "GenericError";
    if (!tga_arguments_check(request, names, error)) {
        g_prefix_error(error, "request: ");
        return NULL;
    }
    if (!json_object_object_get_ex(request, "execute", &name) ||
        !json_object_is_type(name, json_type_string)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "member 'execute' must be given and be a string");
        return NULL;
    }
    if (json_object_object_get_ex(request, "arguments", ret_arguments) &&
        !json_object_is_type(*ret_arguments, json_type_object)) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "member 'arguments' must be an object");
        return NULL;
    }
    command = find_command(json_object_get_string(name));
    if (command == NULL) {
        *ret_class = "CommandNotFound";
        g_set_error(error, TGA_ERROR, TGA_ERROR_USAGE,
                    "the command %s has not been found",
                    json_object_get_string(name));
    }
    return command;
}

static void answer_request(json_object *request,
                           const struct tga_stamp *arrival, GString *reply)
{
    const struct command *command;
    const char *class;
    GError *error = NULL;
    json_object *arguments = NULL;
    json_object *value = NULL;
    json_object *id = NULL;

    json_object_object_get_ex(request, "id", &id);
    command = check_request(request, &arguments, &class, &error);
    if (command != NULL) {
        value = command->run(arguments, arrival, &error);
    }
    if (value == NULL) {
        append_reply(reply, "error", error_to_json(class, error->message), id);
        g_error_free(error);
        return;
    }
    if (command->delimited) {
        g_string_append_c(reply, (char)SENTINEL);
    }
    append_reply(reply, "return", value, id);
}

/* One JSON value that fills the line; NULL with a reason. */
static json_object *parse_line(const GString *line, const char **ret_reason)
{
    struct json_tokener *tokener = json_tokener_new_ex(TGA_RPC_DEPTH_MAX);
    enum json_tokener_error status;
    json_object *value;

    json_tokener_set_flags(tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    value = json_tokener_parse_ex(tokener, line->str, (int)line->len);
    status = json_tokener_get_error(tokener);
    *ret_reason = status == json_tokener_continue
                      ? "the line ends before its JSON does"
                      : json_tokener_error_desc(status);
    json_tokener_free(tokener);
    return value;
}

static void answer_line(GString *line, const struct tga_stamp *arrival,
                        GString *reply)
{
    json_object *request;
    const char *reason;
    char *text;

    if (memchr(line->str, '\0', line->len) != NULL) {
        tga_rpc_append_error(reply, "invalid JSON: NUL byte");
        return;
    }
    g_strstrip(line->str);
    g_string_truncate(line, strlen(line->str));
    if (line->len == 0) {
        return;
    }
    if (line->str[0] != '{') {
        tga_rpc_append_error(reply, "a request must be a JSON object");
        return;
    }
    request = parse_line(line, &reason);
    if (request != NULL) {
        answer_request(request, arrival, reply);
        json_object_put(request);
    } else {
        text = g_strdup_printf("invalid JSON: %s", reason);
        tga_rpc_append_error(reply, text);
        g_free(text);
    }
}

struct tga_rpc *tga_rpc_new(void)
{
    struct tga_rpc *rpc = g_new0(struct tga_rpc, 1);

    rpc->line = g_string_new(NULL);
    return rpc;
}

void tga_rpc_free(struct tga_rpc *rpc)
{
    g_string_free(rpc->line, TRUE);
    g_free(rpc);
}

static void start_line(struct tga_rpc *rpc)
{
    g_string_truncate(rpc->line, 0);
    rpc->skipping = false;
}

size_t tga_rpc_feed(struct tga_rpc *rpc, const struct tga_stamp *arrival,
                    const uint8_t *data, size_t len, GString *reply)
{
    size_t reply_len = reply->len;
    size_t i;

    for (i = 0; i < len && reply->len == reply_len; i++) {
        if (data[i] == SENTINEL) {
            start_line(rpc);
        } else if (data[i] == '\n') {
            if (!rpc->skipping) {
                answer_line(rpc->line, arrival, reply);
            }
            start_line(rpc);
        } else if (rpc->skipping) {
            continue;
        } else if (rpc->line->len < TGA_RPC_LINE_MAX) {
            g_string_append_c(rpc->line, (char)data[i]);
        } else {
            g_string_truncate(rpc->line, 0);
            rpc->skipping = true;
            tga_rpc_append_error(reply, "the line is longer than 65536 bytes; "
                                        "skipped to its end");
        }
    }
    return i;
}
