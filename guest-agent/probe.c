/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two stamps on one CPU. If the request arrived there, nothing is done for it
 * but look where the thread is; only else is the thread moved and kept.
 */
#include "probe.h"

#include <stdbool.h>

#include "boot-id.h"
#include "error.h"
#include "late-number.h"
#include "pin.h"
#include "request.h"

/* Extra tries for a stamp that a migration spoilt. */
#define MIGRATIONS_MAX 100

struct probe {
    int cpu;
    uint64_t receive;
    bool has_pin;
    struct tga_pin pin;
};

static bool check_arguments(json_object *arguments, int *ret_cpu,
                            GError **error)
{
    static const char *const names[] = { "cpu", NULL };
    json_object *value;

    *ret_cpu = -1;
    return tga_arguments_check(arguments, names, error) &&
           (!json_object_object_get_ex(arguments, "cpu", &value) ||
            tga_argument_int(value, "argument 'cpu'", 0, TCS_CPU_END - 1,
                             ret_cpu, error));
}

/* Puts the thread on `cpu` (-1: any) and stamps there. */
static bool receive_again(struct probe *probe, int cpu, GError **error)
{
    probe->has_pin = tga_pin_take_asked(&probe->pin, cpu, error);
    for (int tries = 0; probe->has_pin && tries < MIGRATIONS_MAX; tries++) {
        struct tga_stamp stamp = tga_stamp_arrival();

        if (stamp.cpu >= 0 && (cpu < 0 || stamp.cpu == cpu)) {
            probe->cpu = stamp.cpu;
            probe->receive = stamp.counter;
            return true;
        }
    }
    if (probe->has_pin) {
        g_set_error(error, TGA_ERROR, TGA_ERROR_INTERNAL,
                    "the thread could not be kept on one CPU");
    }
    return false;
}

static bool receive(struct probe *probe, int cpu,
                    const struct tga_stamp *arrival, GError **error)
{
    if (arrival->cpu < 0 || (cpu >= 0 && arrival->cpu != cpu)) {
        return receive_again(probe, cpu, error);
    }
    probe->cpu = arrival->cpu;
    probe->receive = arrival->counter;
    return true;
}

/*
 * The counter on the probe's CPU. If the thread was moved since and cannot be
 * moved back, the first stamp says it as truly: it is not after this moment
 * either.
 */
static uint64_t transmit(void *data)
{
    struct probe *probe = data;
    struct tga_stamp stamp = tga_stamp_departure();

    if (stamp.cpu != probe->cpu && !probe->has_pin) {
        probe->has_pin = tga_pin_take(&probe->pin, probe->cpu) == 0;
        stamp = tga_stamp_departure();
    }
    return stamp.cpu == probe->cpu ? stamp.counter : probe->receive;
}

static void free_probe(void *data)
{
    struct probe *probe = data;

    if (probe->has_pin) {
        tga_pin_release(&probe->pin);
    }
    g_free(probe);
}

json_object *tga_probe(json_object *arguments, const struct tga_stamp *arrival,
                       GError **error)
{
    struct probe *probe = g_new0(struct probe, 1);
    json_object *reply;
    int cpu;

    if (!check_arguments(arguments, &cpu, error) ||
        !receive(probe, cpu, arrival, error)) {
        free_probe(probe);
        return NULL;
    }
    reply = json_object_new_object();
    json_object_object_add(reply, "counter",
                           json_object_new_string(TCS_COUNTER_NAME));
    json_object_object_add(reply, "boot-id",
                           json_object_new_string(tga_boot_id()));
    json_object_object_add(reply, "cpu", json_object_new_int(probe->cpu));
    json_object_object_add(reply, "counter-receive",
                           json_object_new_uint64(probe->receive));
    /* The last member, because text is made in this order. */
    json_object_object_add(reply, "counter-transmit",
                           tga_late_uint64(transmit, probe, free_probe));
    return reply;
}
