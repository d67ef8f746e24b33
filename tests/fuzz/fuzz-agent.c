/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client may send to the guest's agent. No clock is read: how long that
 * takes is the request's choice (--wrap of tga_read_clocks).
 */
#include <string.h>

#include <json-c/json.h>

#include "clockread/affinity.h"
#include "fuzz.h"
#include "guest-agent/clocks.h"
#include "guest-agent/rpc.h"

bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error);
json_object *__wrap_tga_probe(json_object *arguments,
                              const struct tga_stamp *arrival, GError **error);

/* What was asked, as a report; and whether it was checked on the way here. */
bool __wrap_tga_read_clocks(const struct tga_request *request,
                            struct tga_report *ret_report, GError **error)
{
    struct tga_report report = {
        .counter = "x86-tsc",
        .clocksource = g_strdup("tsc"),
        .boot_id = "b",
        .cpus = g_array_new(FALSE, FALSE, sizeof(struct tga_cpu)),
        .readings = g_array_new(FALSE, FALSE, sizeof(struct tga_reading)),
        .unavailable =
            g_array_new(FALSE, FALSE, sizeof(struct tga_unavailable)),
    };
    gsize n = request->clocks ? g_strv_length(request->clocks) : 0;

    g_assert(n <= TGA_CLOCKS_MAX && request->n_cpus <= TGA_CPUS_MAX);
    g_assert(request->samples >= 1 && request->samples <= TGA_SAMPLES_MAX);
    for (size_t i = 0; i < request->n_cpus; i++) {
        struct tga_cpu cpu = { .cpu = request->cpus[i] };

        g_assert(cpu.cpu >= 0 && cpu.cpu < TCS_CPU_END);
        g_array_append_val(report.cpus, cpu);
    }
    for (gsize i = 0; i < n; i++) {
        struct tga_reading reading = { .clock = request->clocks[i],
                                       .value = UINT64_MAX,
                                       .counter_after = UINT64_MAX,
                                       .via = "counter" };

        g_assert(*reading.clock && strlen(reading.clock) <= TGA_CLOCK_NAME_MAX);
        g_array_append_val(report.readings, reading);
    }
    *ret_report = report;
    return true;
}

json_object *__wrap_tga_probe(json_object *arguments,
                              const struct tga_stamp *arrival, GError **error)
{
    return json_object_new_object();
}

/* Each line of the reply is one answer, as the protocol has it. */
static void check_replies(const GString *reply)
{
    const char *at = reply->str, *end;

    g_assert(memchr(reply->str, '\0', reply->len) == NULL);
    for (; *at; at = end + 1) {
        g_autofree char *line = NULL;
        json_object *object, *value;

        end = strchr(at, '\n');
        g_assert(end != NULL);
        at += (guchar)*at == 0xff;
        line = g_strndup(at, (gsize)(end - at));
        object = json_tokener_parse(line);
        g_assert(json_object_is_type(object, json_type_object));
        g_assert(json_object_object_get_ex(object, "return", &value) !=
                 json_object_object_get_ex(object, "error", &value));
        json_object_put(object);
    }
}

/* Feeds all in pieces of `piece` bytes. */
static GString *feed(const uint8_t *data, size_t size, size_t piece)
{
    const struct tga_stamp arrival = { .cpu = 0 };
    struct tga_rpc *rpc = tga_rpc_new();
    GString *reply = g_string_new(NULL);

    for (size_t begin = 0; begin < size; begin += piece) {
        size_t end = MIN(begin + piece, size);

        for (size_t at = begin; at < end;) {
            size_t taken =
                tga_rpc_feed(rpc, &arrival, data + at, end - at, reply);

            g_assert(taken >= 1 && taken <= end - at);
            at += taken;
        }
    }
    tga_rpc_free(rpc);
    return reply;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *whole = feed(data, size, size ? size : 1);
    GString *bytes = feed(data, size, 1);

    check_replies(whole);
    /* How it came in pieces makes no difference. */
    g_assert(g_string_equal(whole, bytes));
    g_string_free(whole, TRUE);
    g_string_free(bytes, TRUE);
    return 0;
}
