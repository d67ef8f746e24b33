/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest agent's core: reads this machine's trace clocks against its
 * counter, on chosen CPUs. Plain structs in and out; knows neither JSON nor
 * sockets nor who asks.
 */
#ifndef GUEST_AGENT_CLOCKS_H
#define GUEST_AGENT_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "realtime-error.h"

#define TGA_SAMPLES_MAX    1000
#define TGA_CLOCKS_MAX     64   /* names in one request */
#define TGA_CLOCK_NAME_MAX 32   /* characters of one name */
#define TGA_CPUS_MAX       4096 /* CPUs in one request */
#define TGA_REASON_MAX     255  /* characters of a reason */
#define TGA_IDLE_S         30 /* unasked for so long, instances are given back */

/* What is asked. Checked by whoever fills it: limits above, no duplicates. */
struct tga_request {
    char **clocks; /* NULL-terminated; NULL: all known */
    unsigned int samples;
    int *cpus; /* n_cpus == 0: the first one; "local" on all */
    size_t n_cpus;
};

void tga_request_clear(struct tga_request *request);

/* A CPU readings may have been taken on. */
struct tga_cpu {
    int cpu;
    bool has_arch_id;
    uint32_t arch_id; /* x86: APIC id */
};

/* A clock's value between two counter reads on one CPU. */
struct tga_reading {
    const char *clock; /* belongs to the request, or lives forever */
    int cpu;
    uint64_t counter_before;
    uint64_t value; /* ns; of a counter: ticks; or see unit */
    uint64_t counter_after;
    uint32_t resolution_ns; /* 0: the counter itself, or a count */
    const char *via;
    const char *unit; /* NULL: as above; "count": a number of events */
};

struct tga_unavailable {
    const char *clock; /* as in struct tga_reading */
    char *reason;
};

/* What was found. Valid only as long as its request. */
struct tga_report {
    const char *counter;
    char *clocksource;   /* "unknown" where it cannot be read */
    const char *boot_id; /* likewise; lives forever */
    GArray *cpus;        /* struct tga_cpu */
    GArray *readings;    /* struct tga_reading */
    GArray *unavailable; /* struct tga_unavailable */
    struct tga_realtime_error realtime_error;
};

/*
 * Reads the clocks. Takes about clocks * samples * CPUs * 50 ns where clocks
 * are read without a system call, and up to some microseconds instead of 50 ns
 * elsewhere; nothing is cut short, so the largest request takes minutes.
 * The first call for a clock that only ftrace reads takes tens of milliseconds
 * more; what it sets up in the kernel is kept for the next call, until
 * tga_clocks_release() or TGA_IDLE_S seconds in GLib's default main context.
 * The thread's CPU affinity is changed during the call and restored.
 *
 * Returns false with *error set where a CPU of the request cannot be used; a
 * clock that cannot be read is no error but listed in the report.
 */
bool tga_read_clocks(const struct tga_request *request,
                     struct tga_report *ret_report, GError **error);

void tga_report_clear(struct tga_report *report);

/* Whether some system has a clock of this name, this one or not. */
bool tga_clock_is_known(const char *clock);

/* "x86-tsc, mono, ...": the names of the clocks of this architecture. */
char *tga_clocks_known(void);

/* Gives back to the system what is kept between calls. */
void tga_clocks_release(void);

#endif
