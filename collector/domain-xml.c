/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See domain-xml.h. <qemu:commandline> comes after <devices> in what libvirt
 * writes; only there is it looked for, because a domain's <metadata> may hold
 * any XML, also some that looks like it.
 */
#include "domain-xml.h"

#include <string.h>

#include "error.h"

#define NAMESPACE   "http://libvirt.org/schemas/domain/qemu/1.0"
#define DEVICES_END "  </devices>"
#define BEGIN       "  <qemu:commandline>"
#define END         "  </qemu:commandline>"
#define OPTION      "    <qemu:arg value='-plugin'/>"
#define VALUE_BEGIN "    <qemu:arg value='"
#define VALUE_END   "'/>"

/* The lines of the XML; owned strings. */
static GPtrArray *split(const char *xml)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) words = g_strsplit(xml, "\n", -1);

    for (guint i = 0; words[i]; i++) {
        g_ptr_array_add(lines, g_strdup(words[i]));
    }
    return lines;
}

static char *join(GPtrArray *lines)
{
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

/* The first such line from `from` on; G_MAXUINT: none. */
static guint find_line(const GPtrArray *lines, const char *line, guint from)
{
    for (guint i = from; i < lines->len; i++) {
        if (g_str_equal(g_ptr_array_index(lines, i), line)) {
            return i;
        }
    }
    return G_MAXUINT;
}

/* The last end of devices: metadata comes before it. */
static guint find_devices_end(const GPtrArray *lines)
{
    guint found = G_MAXUINT;

    for (guint i = find_line(lines, DEVICES_END, 0); i != G_MAXUINT;
         i = find_line(lines, DEVICES_END, i + 1)) {
        found = i;
    }
    return found;
}

static gboolean find_command_line(const GPtrArray *lines, guint *ret_begin,
                                  guint *ret_end)
{
    guint devices = find_devices_end(lines);

    if (devices == G_MAXUINT) {
        return FALSE;
    }
    *ret_begin = find_line(lines, BEGIN, devices);
    if (*ret_begin == G_MAXUINT) {
        return FALSE;
    }
    *ret_end = find_line(lines, END, *ret_begin);
    return *ret_end != G_MAXUINT;
}

/* The value where this is the argument after -plugin and ours; else NULL. */
static char *read_value(const char *line)
{
    g_autofree char *value = NULL;
    g_autofree char *file = NULL;
    const char *slash;

    if (!g_str_has_prefix(line, VALUE_BEGIN) ||
        !g_str_has_suffix(line, VALUE_END)) {
        return NULL;
    }
    value = g_strndup(line + strlen(VALUE_BEGIN),
                      strlen(line) - strlen(VALUE_BEGIN VALUE_END));
    slash = strrchr(value, '/');
    file = g_strdup(slash ? slash + 1 : value);
    file[strcspn(file, ",")] = '\0';
    return g_str_equal(file, TCS_PLUGIN_FILE) ? g_steal_pointer(&value) : NULL;
}

/* The line of our -plugin's option, its value is on the next; G_MAXUINT. */
static guint find_pair(const GPtrArray *lines, char **ret_value)
{
    guint begin, end;

    if (find_command_line(lines, &begin, &end)) {
        for (guint i = begin + 1; i + 1 < end; i++) {
            if (g_str_equal(g_ptr_array_index(lines, i), OPTION)) {
                *ret_value = read_value(g_ptr_array_index(lines, i + 1));
                if (*ret_value) {
                    return i;
                }
            }
        }
    }
    return G_MAXUINT;
}

char *tcs_domain_xml_find_plugin(const char *xml)
{
    g_autoptr(GPtrArray) lines = split(xml);
    char *value = NULL;

    find_pair(lines, &value);
    return value;
}

char *tcs_domain_xml_remove_plugin(const char *xml)
{
    g_autoptr(GPtrArray) lines = split(xml);
    char *value = NULL;
    gboolean any = FALSE;
    guint begin, end;

    for (guint at = find_pair(lines, &value); at != G_MAXUINT;
         at = find_pair(lines, &value)) {
        g_clear_pointer(&value, g_free);
        g_ptr_array_remove_range(lines, at, 2);
        any = TRUE;
    }
    if (any && find_command_line(lines, &begin, &end) && end == begin + 1) {
        g_ptr_array_remove_range(lines, begin, 2);
    }
    return join(lines);
}

/* <domain …> gets the prefix that the new element needs. */
static gboolean declare_namespace(GPtrArray *lines)
{
    const char *first = g_ptr_array_index(lines, 0);
    char **slot = (char **)&lines->pdata[0];
    char *declared;

    if (!g_str_has_prefix(first, "<domain") || !g_str_has_suffix(first, ">")) {
        return FALSE;
    }
    if (!strstr(first, " xmlns:qemu='" NAMESPACE "'")) {
        declared = g_strdup_printf("%.*s xmlns:qemu='" NAMESPACE "'>",
                                   (int)strlen(first) - 1, first);
        g_free(*slot);
        *slot = declared;
    }
    return TRUE;
}

char *tcs_domain_xml_add_plugin(const char *xml, const char *plugin,
                                GError **error)
{
    g_autofree char *present = tcs_domain_xml_find_plugin(xml);
    g_autofree char *escaped = g_markup_escape_text(plugin, -1);
    g_autofree char *without = tcs_domain_xml_remove_plugin(xml);
    g_autoptr(GPtrArray) lines = split(without);
    guint begin, end, at;

    if (present && g_str_equal(present, escaped)) {
        return g_strdup(xml);
    }
    at =
        find_line(lines, "</domain>", MIN(find_devices_end(lines), lines->len));
    if (at == G_MAXUINT || !declare_namespace(lines)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the domain's XML is not written as libvirt writes it; add "
                    "the plugin by hand (docs/howto-libvirt.md)");
        return NULL;
    }
    if (find_command_line(lines, &begin, &end)) {
        at = end;
    } else {
        g_ptr_array_insert(lines, (gint)at, g_strdup(END));
        g_ptr_array_insert(lines, (gint)at, g_strdup(BEGIN));
        at++;
    }
    g_ptr_array_insert(lines, (gint)at,
                       g_strconcat(VALUE_BEGIN, escaped, VALUE_END, NULL));
    g_ptr_array_insert(lines, (gint)at, g_strdup(OPTION));
    return join(lines);
}
