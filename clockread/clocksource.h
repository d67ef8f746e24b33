/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this kernel derives its clocks from. Read from sysfs each time, because
 * the kernel may switch at any moment.
 */
#ifndef CLOCKREAD_CLOCKSOURCE_H
#define CLOCKREAD_CLOCKSOURCE_H

#include <stddef.h>
#include <stdint.h>

/* The current clocksource's name; "unknown" where sysfs cannot be read. */
void tcs_clocksource_name(char *ret_name, size_t size);

/*
 * The largest step a clock derived from that clocksource advances by, in ns, at
 * least 1. clock_getres() says 1 ns whatever the clocksource is.
 */
uint32_t tcs_clocksource_step_ns(const char *name);

#endif
