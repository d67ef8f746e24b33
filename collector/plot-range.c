/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-range.h.
 */
#include "plot-range.h"

#include <string.h>

#include "error.h"

#define NS_PER_S 1000000000u
/* Of what is shown unless something was asked for: on either side. */
#define ROOM                50
#define DEFAULT_WIDTH_NS    1000000
#define DEFAULT_WIDTH_TICKS 3000000

static gboolean set_usage(GError **error, const char *option, const char *text,
                          const char *what)
{
    g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE, "--%s %s: %s", option, text,
                what);
    return FALSE;
}

/* A decimal number times `unit`, a power of ten; no sign, nothing lost. */
static gboolean parse_decimal(const char *text, guint64 unit, guint64 *ret)
{
    const char *c = text;
    guint64 whole = 0, part = 0;

    if (!g_ascii_isdigit(*c)) {
        return FALSE;
    }
    for (; g_ascii_isdigit(*c); c++) {
        if (!g_uint64_checked_mul(&whole, whole, 10) ||
            !g_uint64_checked_add(&whole, whole, (guint64)(*c - '0'))) {
            return FALSE;
        }
    }
    if (!g_uint64_checked_mul(&whole, whole, unit)) {
        return FALSE;
    }
    if (*c == '.') {
        for (c++; g_ascii_isdigit(*c); c++) {
            if (unit == 1) {
                return FALSE;
            }
            unit /= 10;
            part += unit * (guint64)(*c - '0');
        }
    }
    return *c == '\0' && g_uint64_checked_add(ret, whole, part);
}

gboolean tcs_plot_parse_stamp(const char *text, gboolean is_ticks, guint64 *ret,
                              GError **error)
{
    /* trace-cmd does not know of every clock that it shows ns. */
    const gboolean is_whole = !strchr(text, '.') && strlen(text) > 10;

    if (!parse_decimal(text, is_ticks || is_whole ? 1 : NS_PER_S, ret)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "'%s' is no time of these traces: %s", text,
                    is_ticks ? "they have ticks, as whole numbers"
                             : "they have seconds, such as 1234.567890123");
        return FALSE;
    }
    return TRUE;
}

static gboolean parse_width(const char *text, gboolean is_ticks, guint64 *ret,
                            GError **error)
{
    static const struct {
        const char *name;
        guint64 ns;
    } units[] = {
        { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", NS_PER_S }
    };

    for (guint i = 0; i < G_N_ELEMENTS(units) && !is_ticks; i++) {
        g_autofree char *number = g_strdup(text);

        if (g_str_has_suffix(text, units[i].name)) {
            number[strlen(number) - strlen(units[i].name)] = '\0';
            if (parse_decimal(number, units[i].ns, ret) && *ret > 0) {
                return TRUE;
            }
        }
    }
    if (is_ticks && parse_decimal(text, 1, ret) && *ret > 0) {
        return TRUE;
    }
    return set_usage(error, "width", text,
                     is_ticks ? "a width is a number of ticks here, above 0"
                              : "a width is a number above 0 with its unit: "
                                "ns, us, ms or s");
}

static gboolean parse_zoom(const char *text, gboolean is_ticks,
                           guint64 *ret_from, guint64 *ret_to, GError **error)
{
    const char *dots = strstr(text, "..");
    g_autofree char *from = NULL;

    if (!dots) {
        return set_usage(error, "zoom", text, "two times are START..END");
    }
    from = g_strndup(text, (gsize)(dots - text));
    if (!tcs_plot_parse_stamp(from, is_ticks, ret_from, error) ||
        !tcs_plot_parse_stamp(dots + 2, is_ticks, ret_to, error)) {
        g_prefix_error(error, "--zoom: ");
        return FALSE;
    }
    return *ret_from < *ret_to ||
           set_usage(error, "zoom", text, "it ends before it has begun");
}

static gboolean parse_around(const TcsPlotRangeText *text, gboolean is_ticks,
                             guint64 *ret_from, guint64 *ret_to, GError **error)
{
    guint64 at, width = is_ticks ? DEFAULT_WIDTH_TICKS : DEFAULT_WIDTH_NS;

    if (!tcs_plot_parse_stamp(text->around, is_ticks, &at, error)) {
        g_prefix_error(error, "--around: ");
        return FALSE;
    }
    if (text->width && !parse_width(text->width, is_ticks, &width, error)) {
        return FALSE;
    }
    *ret_from = at - MIN(at, width / 2);
    if (!g_uint64_checked_add(ret_to, *ret_from, MAX(width, 2))) {
        return text->width
                   ? set_usage(error, "width", text->width, "it is too large")
                   : set_usage(error, "around", text->around,
                               "it is too large");
    }
    return TRUE;
}

gboolean tcs_plot_range(const TcsPlotRangeText *text, gboolean is_ticks,
                        guint64 first, guint64 last, guint64 *ret_from,
                        guint64 *ret_to, GError **error)
{
    const guint64 room = (last - first) / ROOM + 1;

    if (text->zoom && text->around) {
        return set_usage(error, "zoom", text->zoom,
                         "--around says what is shown as well; give one");
    }
    if (text->width && !text->around) {
        return set_usage(error, "width", text->width, "it takes --around");
    }
    if (text->zoom) {
        return parse_zoom(text->zoom, is_ticks, ret_from, ret_to, error);
    }
    if (text->around) {
        return parse_around(text, is_ticks, ret_from, ret_to, error);
    }
    *ret_from = first - MIN(first, room);
    *ret_to = last + MIN(G_MAXUINT64 - last, room);
    return TRUE;
}
