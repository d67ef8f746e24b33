/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's clocks are called on the command line and in reports:
 * ftrace's names, the counter's, and "local@CPU", because `local` is a clock of
 * its own on each CPU. Text only, no I/O.
 */
#ifndef COLLECTOR_HOST_CLOCK_NAME_H
#define COLLECTOR_HOST_CLOCK_NAME_H

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    TCS_HOST_CLOCK_COUNTER, /* the counter itself: ticks */
    TCS_HOST_CLOCK_POSIX,   /* ns, by clock_gettime(): QEMU reads it as well */
    TCS_HOST_CLOCK_FTRACE,  /* ns, and only ftrace or the perf page has it */
    TCS_HOST_CLOCK_COUNT,   /* likewise; a number of events and no time */
} TcsHostClockKind;

typedef struct {
    TcsHostClockKind kind;
    char base[65]; /* without "@CPU" */
    int cpu;       /* -1: none was named */
} TcsHostClockName;

/* TCS_ERROR_USAGE, with the names there are. */
gboolean tcs_host_clock_name_parse(const char *text, TcsHostClockName *ret_name,
                                   GError **error);

/* Whether it is a clock of its own on each CPU. */
gboolean tcs_host_clock_name_is_per_cpu(const TcsHostClockName *name);

/* "local@3", "global"; the caller frees it. */
char *tcs_host_clock_name_format(const char *base, int cpu);

G_END_DECLS

#endif
