/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One JSON value from a peer, as the reply of QEMU, of the guest's agent, and
 * as an answer to each method's question. What is accepted keeps to the ranges
 * that qapi/ and the headers name.
 */
#include <string.h>

#include "collector/guest-reply.h"
#include "collector/json-util.h"
#include "collector/method.h"
#include "collector/qmp-reply.h"
#include "fuzz.h"

static void check_refusal(GError *error)
{
    g_assert(error != NULL);
    g_assert(g_utf8_validate(error->message, -1, NULL));
    /* It goes to a terminal. */
    for (const char *at = error->message; *at; at++) {
        g_assert((guchar)*at >= 0x20 && *at != 0x7f);
    }
    g_error_free(error);
}

static void check_text(const char *text, gsize size)
{
    g_assert(memchr(text, '\0', size) != NULL);
    g_assert(g_utf8_validate(text, -1, NULL));
}

static void check_map(const struct tcs_counter_map *map)
{
    struct tcs_host_ticks host = { 123456789 };
    struct tcs_host_span back;
    struct tcs_guest_ticks guest = tcs_counter_map_to_guest(map, host);

    /* The inverse holds what was mapped. */
    if (tcs_counter_map_to_host(map, guest, guest, host, &back) == 0) {
        g_assert(back.lo.ticks <= host.ticks && host.ticks <= back.hi.ticks);
    }
}

static void check_qmp(json_object *value)
{
    GError *error = NULL;
    g_autoptr(TcsQmpReply) reply = tcs_qmp_reply_parse(value, &error);
    struct tcs_host_span all;

    if (!reply) {
        check_refusal(error);
        return;
    }
    check_text(reply->accel, sizeof(reply->accel));
    check_text(reply->counter, sizeof(reply->counter));
    g_assert(reply->vcpus->len <= 4096 && reply->epochs->len <= 16384);
    for (guint i = 0; i < reply->vcpus->len; i++) {
        const TcsVcpu *vcpu = &g_array_index(reply->vcpus, TcsVcpu, i);

        g_assert(vcpu->read_at.lo.ticks <= vcpu->read_at.hi.ticks);
        g_assert(!vcpu->stable || vcpu->has_map);
        check_text(vcpu->reason, sizeof(vcpu->reason));
        if (vcpu->has_map) {
            check_map(&vcpu->map);
        }
    }
    for (guint i = 0; i < reply->host_clocks->len; i++) {
        const TcsHostClock *clock =
            &g_array_index(reply->host_clocks, TcsHostClock, i);

        g_assert(clock->reading.when.lo.ticks <= clock->reading.when.hi.ticks);
        g_assert(clock->reading.value.lo <= clock->reading.value.hi);
        /* INT64_MAX says nothing: no end of a span is there. */
        g_assert(clock->reading.value.lo >= 0 ||
                 !tcs_ns_span_is_bounded(clock->reading.value));
    }
    for (guint i = 0; i < reply->epochs->len; i++) {
        check_map(&g_array_index(reply->epochs, TcsEpoch, i).map);
    }
    if (tcs_qmp_reply_counters(reply, &all)) {
        g_assert(all.lo.ticks <= all.hi.ticks);
    }
    /* Nothing changed between a reply and itself. */
    g_assert(tcs_qmp_reply_same_mappings(reply, reply, NULL));
}

static void check_guest(json_object *value)
{
    GError *error = NULL;
    g_autoptr(TcsGuestReply) reply = tcs_guest_reply_parse(value, &error);

    if (!reply) {
        check_refusal(error);
        return;
    }
    check_text(reply->boot_id, sizeof(reply->boot_id));
    for (guint i = 0; i < reply->clocks->len; i++) {
        const TcsGuestClock *clock =
            &g_array_index(reply->clocks, TcsGuestClock, i);

        check_text(clock->clock, sizeof(clock->clock));
        g_assert(clock->reading.after.ticks - clock->reading.before.ticks <=
                 G_MAXINT64);
        g_assert(clock->is_counter || clock->value <= G_MAXINT64);
        g_assert(clock->reading.value.lo <= clock->reading.value.hi);
    }
}

static void check_answer(json_object *value)
{
    for (gsize i = 0; tcs_methods[i]; i++) {
        const TcsMethod *method = tcs_methods[i];
        TcsAnswer answer = { 0 };
        GError *error = NULL;
        gint64 cpu;

        if (!method->command) {
            continue;
        }
        if (!method->cpu(value, &cpu, &error)) {
            check_refusal(error);
            error = NULL;
        }
        if (!method->tie(value, TCS_RATE_SPAN_MONOTONE, &answer, &error)) {
            check_refusal(error);
            continue;
        }
        g_assert(answer.tie.when.lo.ticks <= answer.tie.when.hi.ticks);
        check_text(answer.counter, sizeof(answer.counter));
        check_text(answer.boot_id, sizeof(answer.boot_id));
    }
}

/* What was accepted is written and read again as the same. */
static void check_again(json_object *value)
{
    const char *text = json_object_to_json_string_ext(
        value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    g_autoptr(json_object) again = tcs_json_parse(text, strlen(text), NULL);

    g_assert(again != NULL && json_object_equal(value, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    /* No NUL after it, so that the sanitizer sees a look beyond. */
    g_autofree char *text = g_memdup2(data, size);
    g_autofree char *shown = tcs_printable(text ? text : "", size, 60);
    g_autoptr(json_object) value =
        tcs_json_parse(text ? text : "", size, &error);

    g_assert(g_utf8_validate(shown, -1, NULL));
    if (!value) {
        check_refusal(error);
        return 0;
    }
    check_again(value);
    check_qmp(value);
    check_guest(value);
    check_answer(value);
    return 0;
}
