/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See host-clock-name.h.
 */
#include "host-clock-name.h"

#include <string.h>

#include "clockread/affinity.h"
#include "clockread/counter.h"
#include "clockread/marker-clock.h"
#include "clockread/posix-clock.h"
#include "clock-name.h"
#include "error.h"

static gboolean set_unknown(const char *text, GError **error)
{
    g_autoptr(GString) known = g_string_new(TCS_COUNTER_NAME);

    tcs_clock_names_append(known);
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "the host has no clock '%s'; there are %s, and local@CPU", text,
                known->str);
    return FALSE;
}

/* FALSE where nothing has that name. */
static gboolean find_kind(const char *base, TcsHostClockKind *ret)
{
    const struct tcs_marker_clock *marker = tcs_marker_clock_find(base);

    if (g_str_equal(base, TCS_COUNTER_NAME)) {
        *ret = TCS_HOST_CLOCK_COUNTER;
    } else if (tcs_posix_clock_find(base)) {
        *ret = TCS_HOST_CLOCK_POSIX;
    } else if (marker) {
        *ret = marker->kind == TCS_MARKER_COUNT ? TCS_HOST_CLOCK_COUNT
                                                : TCS_HOST_CLOCK_FTRACE;
    } else {
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_host_clock_name_is_per_cpu(const TcsHostClockName *name)
{
    return g_str_equal(name->base, "local");
}

gboolean tcs_host_clock_name_parse(const char *text, TcsHostClockName *ret_name,
                                   GError **error)
{
    TcsHostClockName name = { .cpu = -1 };
    const char *at = strchr(text, '@');
    gsize length = at ? (gsize)(at - text) : strlen(text);
    guint64 cpu;

    if (length >= sizeof(name.base)) {
        return set_unknown(text, error);
    }
    memcpy(name.base, text, length);
    if (!find_kind(name.base, &name.kind) ||
        (at && !tcs_host_clock_name_is_per_cpu(&name))) {
        return set_unknown(text, error);
    }
    if (at) {
        if (!g_ascii_string_to_unsigned(at + 1, 10, 0, TCS_CPU_END - 1, &cpu,
                                        NULL)) {
            return set_unknown(text, error);
        }
        name.cpu = (int)cpu;
    }
    *ret_name = name;
    return TRUE;
}

char *tcs_host_clock_name_format(const char *base, int cpu)
{
    return cpu < 0 ? g_strdup(base) : g_strdup_printf("%s@%d", base, cpu);
}
