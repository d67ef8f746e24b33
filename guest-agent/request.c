/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks every argument: the peer is a program that may be wrong, and an
 * argument ignored would be an answer to another question. Reads no clock.
 */
#include "request.h"

#include <string.h>

#include "clockread/affinity.h"
#include "clockread/posix-clock.h"
#include "error.h"

/* Printable in any message, and no room for surprises. */
#define NAME_CHARACTERS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static bool fail(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(
        error, g_error_new_valist(TGA_ERROR, TGA_ERROR_USAGE, format, args));
    va_end(args);
    return false;
}

bool tga_arguments_check(json_object *arguments, const char *const *names,
                         GError **error)
{
    if (arguments == NULL) {
        return true;
    }
    json_object_object_foreach(arguments, name, value)
    {
        (void)value;
        if (!g_strv_contains(names, name)) {
            return fail(error, "unknown argument '%s'", name);
        }
    }
    return true;
}

bool tga_argument_int(json_object *value, const char *what, int min, int max,
                      int *ret_value, GError **error)
{
    int64_t number;

    if (!json_object_is_type(value, json_type_int)) {
        return fail(error, "%s must be an integer", what);
    }
    /* json-c clips what 64 bits do not hold. */
    number = json_object_get_int64(value);
    if (number < min || number > max) {
        return fail(error, "%s must be from %d to %d", what, min, max);
    }
    *ret_value = (int)number;
    return true;
}

static bool check_array(json_object *value, const char *what, size_t max,
                        GError **error)
{
    if (!json_object_is_type(value, json_type_array)) {
        return fail(error, "argument '%s' must be an array", what);
    }
    if (json_object_array_length(value) > max) {
        return fail(error, "argument '%s' has more than %zu elements", what,
                    max);
    }
    return true;
}

static bool check_name(json_object *value, GError **error)
{
    const char *name = json_object_get_string(value);
    size_t len;

    if (!json_object_is_type(value, json_type_string)) {
        return fail(error, "argument 'clocks' must hold strings");
    }
    len = (size_t)json_object_get_string_len(value);
    if (len == 0 || len > TGA_CLOCK_NAME_MAX ||
        strspn(name, NAME_CHARACTERS) != len) {
        return fail(error,
                    "argument 'clocks': a name must be 1 to %d characters of "
                    "A-Z, a-z, 0-9, '_' and '-'",
                    TGA_CLOCK_NAME_MAX);
    }
    return true;
}

static bool get_clocks(json_object *value, struct tga_request *request,
                       GError **error)
{
    size_t n;

    if (!check_array(value, "clocks", TGA_CLOCKS_MAX, error)) {
        return false;
    }
    n = json_object_array_length(value);
    request->clocks = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        json_object *name = json_object_array_get_idx(value, i);

        if (!check_name(name, error)) {
            return false;
        }
        if (g_strv_contains((const char *const *)request->clocks,
                            json_object_get_string(name))) {
            return fail(error, "argument 'clocks' names '%s' twice",
                        json_object_get_string(name));
        }
        request->clocks[i] = g_strdup(json_object_get_string(name));
    }
    return true;
}

static bool get_cpus(json_object *value, struct tga_request *request,
                     GError **error)
{
    bool seen[TCS_CPU_END] = { false };
    size_t n;

    if (!check_array(value, "cpus", TGA_CPUS_MAX, error)) {
        return false;
    }
    n = json_object_array_length(value);
    if (n == 0) {
        return fail(error, "argument 'cpus' is empty; leave it out for the "
                           "CPU the agent runs on");
    }
    request->cpus = g_new(int, n);
    for (size_t i = 0; i < n; i++) {
        int cpu = 0;

        if (!tga_argument_int(json_object_array_get_idx(value, i),
                              "an element of argument 'cpus'", 0,
                              TCS_CPU_END - 1, &cpu, error)) {
            return false;
        }
        if (seen[cpu]) {
            return fail(error, "argument 'cpus' lists CPU %d twice", cpu);
        }
        seen[cpu] = true;
        request->cpus[i] = cpu;
    }
    request->n_cpus = n;
    return true;
}

bool tga_request_from_json(json_object *arguments,
                           struct tga_request *ret_request, GError **error)
{
    static const char *const names[] = { "clocks", "samples", "cpus", NULL };
    struct tga_request request = { .samples = TCS_CLOCK_SAMPLES_DEFAULT };
    int samples = TCS_CLOCK_SAMPLES_DEFAULT;
    json_object *value;

    if (!tga_arguments_check(arguments, names, error)) {
        return false;
    }
    if ((json_object_object_get_ex(arguments, "clocks", &value) &&
         !get_clocks(value, &request, error)) ||
        (json_object_object_get_ex(arguments, "samples", &value) &&
         !tga_argument_int(value, "argument 'samples'", 1, TGA_SAMPLES_MAX,
                           &samples, error)) ||
        (json_object_object_get_ex(arguments, "cpus", &value) &&
         !get_cpus(value, &request, error))) {
        tga_request_clear(&request);
        return false;
    }
    request.samples = (unsigned int)samples;
    *ret_request = request;
    return true;
}
