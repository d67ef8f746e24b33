/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeping the calling thread on one CPU for a while. Knows nothing of clocks.
 */
#ifndef GUEST_AGENT_PIN_H
#define GUEST_AGENT_PIN_H

#include <stdbool.h>

#include <glib.h>

#include "clockread/affinity.h"

struct tga_pin {
    int cpu;   /* -1: could not be pinned and any CPU will do */
    bool held; /* false: the thread may migrate, the caller must check */
    struct tcs_cpu_set saved;
};

/*
 * Puts the thread on `cpu` (-1: the one it is on) and keeps it there. Where
 * the affinity may not be changed (seccomp) and the thread is on a suitable
 * CPU already, succeeds with ret_pin->held false.
 *
 * Returns 0; -EINVAL where the CPU is not online or not allowed; another
 * -errno. After success tga_pin_release() is due.
 */
int tga_pin_take(struct tga_pin *ret_pin, int cpu);

/* The same with an error for whoever asked for that CPU. */
bool tga_pin_take_asked(struct tga_pin *ret_pin, int cpu, GError **error);

void tga_pin_release(const struct tga_pin *pin);

#endif
