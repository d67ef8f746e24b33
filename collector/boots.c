/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See boots.h.
 */
#include "boots.h"

#include "error.h"

/* Boots that a message lists. */
#define LISTED_MAX 8

typedef struct {
    const char *id;
    guint first, last; /* samples that have an answer of the guest */
} Boot;

static GArray *list_boots(const TcsLog *log)
{
    GArray *boots = g_array_new(FALSE, FALSE, sizeof(Boot));

    for (guint i = 0; i < log->samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        Boot *last =
            boots->len ? &g_array_index(boots, Boot, boots->len - 1) : NULL;

        if (!sample->guest) {
            continue;
        }
        if (last && g_str_equal(last->id, sample->guest->boot_id)) {
            last->last = i;
        } else {
            const Boot boot = { sample->guest->boot_id, i, i };

            g_array_append_val(boots, boot);
        }
    }
    return boots;
}

static char *describe(const GArray *boots)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < boots->len && i < LISTED_MAX; i++) {
        const Boot *boot = &g_array_index(boots, Boot, i);

        g_string_append_printf(text, "%s%u (%s, %u samples)", i ? ", " : "",
                               i + 1, boot->id, boot->last - boot->first + 1);
    }
    if (boots->len > LISTED_MAX) {
        g_string_append_printf(text, " and %u more", boots->len - LISTED_MAX);
    }
    return g_string_free(text, FALSE);
}

static const Boot *find_boot(const GArray *boots, const char *which)
{
    for (guint i = 0; i < boots->len; i++) {
        const Boot *boot = &g_array_index(boots, Boot, i);
        g_autofree char *number = g_strdup_printf("%u", i + 1);

        if (g_str_equal(which, number) || g_str_equal(which, boot->id)) {
            return boot;
        }
    }
    return NULL;
}

gboolean tcs_boots_keep(TcsLog *log, const char *which, GError **error)
{
    g_autoptr(GArray) boots = list_boots(log);
    const Boot *boot = find_boot(boots, which);

    if (!boot) {
        g_autofree char *list = describe(boots);

        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--boot %s: the log has no such boot of the guest; it has "
                    "%s",
                    which, boots->len ? list : "no answer of a guest");
        return FALSE;
    }
    if (boot->last + 1 < log->samples->len) {
        g_ptr_array_remove_range(log->samples, boot->last + 1,
                                 log->samples->len - boot->last - 1);
    }
    if (boot->first > 0) {
        g_ptr_array_remove_range(log->samples, 0, boot->first);
    }
    return TRUE;
}

void tcs_boots_explain(const TcsLog *log, GError **error)
{
    g_autoptr(GArray) boots = list_boots(log);
    g_autofree char *list = describe(boots);
    g_autofree char *said = NULL;

    if (boots->len < 2 || !error || !*error) {
        return;
    }
    said = g_strdup_printf("%s. The guest booted anew while the log was "
                           "recorded: say with --boot which boot the trace is "
                           "of: %s",
                           (*error)->message, list);
    g_free((*error)->message);
    (*error)->message = g_steal_pointer(&said);
}
