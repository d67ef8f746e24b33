/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See clock-name.h.
 */
#include "clock-name.h"

#include <string.h>

#include "clockread/counter-kind.h"
#include "clockread/marker-clock.h"
#include "clockread/posix-clock.h"
#include "error.h"

/* Also as ftrace and trace-cmd call it where they show one. */
static gboolean is_counter(const char *name)
{
    return tcs_counter_kind_find(name) || tcs_counter_kind_of_ftrace(name) ||
           g_str_equal(name, "tsc2nsec");
}

void tcs_clock_names_append(GString *names)
{
    for (const struct tcs_posix_clock *clock = tcs_posix_clocks; clock->name;
         clock++) {
        g_string_append_printf(names, ", %s", clock->name);
    }
    for (const struct tcs_marker_clock *clock = tcs_marker_clocks; clock->name;
         clock++) {
        if (!tcs_posix_clock_find(clock->name)) {
            g_string_append_printf(names, ", %s", clock->name);
        }
    }
}

static char *list_names(void)
{
    g_autoptr(GString) names = g_string_new(NULL);

    tcs_clock_names_append(names);
    for (const struct tcs_counter_kind *kind = tcs_counter_kinds; kind->name;
         kind++) {
        g_string_append_printf(names, ", %s", kind->name);
    }
    return g_strdup(names->str + strlen(", "));
}

gboolean tcs_clock_name_check(const char *option, const char *name,
                              GError **error)
{
    g_autofree char *names = NULL;

    if (!name || tcs_posix_clock_find(name) || tcs_marker_clock_find(name) ||
        is_counter(name)) {
        return TRUE;
    }
    names = list_names();
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                "%s: no clock is called '%s'; there are %s", option, name,
                names);
    return FALSE;
}

gboolean tcs_clock_names_check(const char *option, char **names, GError **error)
{
    for (gsize i = 0; names && names[i]; i++) {
        if (!tcs_clock_name_check(option, names[i], error)) {
            return FALSE;
        }
    }
    return TRUE;
}

gboolean tcs_clock_name_is_of_logs(const char *name)
{
    const gboolean is_guest = g_str_has_prefix(name, "guest:");
    const char *colon = strchr(name, ':');
    g_autofree char *base = NULL;
    const char *at;

    if (!colon || (!is_guest && !g_str_has_prefix(name, "host:"))) {
        return FALSE;
    }
    at = strchr(colon, '@');
    base = at ? g_strndup(colon + 1, (gsize)(at - colon - 1))
              : g_strdup(colon + 1);
    if (at && !g_str_equal(base, "local") &&
        !(is_guest && tcs_counter_kind_find(base))) {
        return FALSE;
    }
    return (!at || g_ascii_string_to_unsigned(at + 1, 10, 0, G_MAXUINT32, NULL,
                                              NULL)) &&
           (tcs_posix_clock_find(base) || tcs_marker_clock_find(base) ||
            tcs_counter_kind_find(base));
}
