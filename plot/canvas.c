/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See canvas.h.
 */
#include "canvas.h"

#include <math.h>
#include <string.h>

#include <cairo-svg.h>

#define FONT        "sans-serif"
#define HATCH_SPACE 6.0
#define ELLIPSIS    "\xe2\x80\xa6"
#define SVG_ELEMENT "<svg "

struct PlotCanvas {
    PlotFormat format;
    cairo_surface_t *surface;
    cairo_t *cr;
    GByteArray *bytes;
};

static cairo_status_t take_bytes(void *closure, const unsigned char *data,
                                 unsigned int length)
{
    g_byte_array_append(closure, data, length);
    return CAIRO_STATUS_SUCCESS;
}

PlotCanvas *plot_canvas_new(PlotFormat format, double width, double height)
{
    PlotCanvas *canvas = g_new0(PlotCanvas, 1);

    canvas->format = format;
    canvas->bytes = g_byte_array_new();
    if (format == PLOT_SVG) {
        canvas->surface = cairo_svg_surface_create_for_stream(
            take_bytes, canvas->bytes, width, height);
        cairo_svg_surface_set_document_unit(canvas->surface, CAIRO_SVG_UNIT_PX);
    } else {
        canvas->surface = cairo_image_surface_create(
            CAIRO_FORMAT_RGB24, (int)ceil(width), (int)ceil(height));
    }
    canvas->cr = cairo_create(canvas->surface);
    plot_rectangle(canvas, 0, 0, width, height, PLOT_WHITE);
    return canvas;
}

void plot_canvas_free(PlotCanvas *canvas)
{
    if (canvas) {
        cairo_destroy(canvas->cr);
        cairo_surface_destroy(canvas->surface);
        g_byte_array_unref(canvas->bytes);
        g_free(canvas);
    }
}

/* One line of what text may have in it anywhere, XML included. */
static char *clean(const char *text)
{
    char *valid = g_utf8_make_valid(text, -1);

    for (char *c = valid; *c; c++) {
        if (g_ascii_iscntrl(*c)) {
            *c = '?';
        }
    }
    return valid;
}

/* cairo has no element for them. */
static void add_titles(GByteArray *bytes, const char *title,
                       const char *description)
{
    g_autofree char *t = clean(title);
    g_autofree char *d = clean(description);
    g_autofree char *text =
        g_markup_printf_escaped("\n<title>%s</title>\n<desc>%s</desc>", t, d);
    const char *data = (const char *)bytes->data;
    const char *svg = g_strstr_len(data, bytes->len, SVG_ELEMENT);
    const char *end = svg ? memchr(svg, '>', bytes->len - (svg - data)) : NULL;
    gsize at = end ? (gsize)(end - data) + 1 : 0;
    const gsize length = strlen(text), rest = bytes->len - at;

    if (end) {
        g_byte_array_set_size(bytes, bytes->len + (guint)length);
        memmove(bytes->data + at + length, bytes->data + at, rest);
        memcpy(bytes->data + at, text, length);
    }
}

const GByteArray *plot_canvas_finish(PlotCanvas *canvas, const char *title,
                                     const char *description,
                                     const char **ret_why)
{
    cairo_status_t status = cairo_status(canvas->cr);

    if (status == CAIRO_STATUS_SUCCESS && canvas->format == PLOT_PNG) {
        status = cairo_surface_write_to_png_stream(canvas->surface, take_bytes,
                                                   canvas->bytes);
    }
    cairo_surface_finish(canvas->surface);
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_status(canvas->surface);
    }
    if (status != CAIRO_STATUS_SUCCESS) {
        *ret_why = cairo_status_to_string(status);
        return NULL;
    }
    if (canvas->format == PLOT_SVG) {
        add_titles(canvas->bytes, title, description);
    }
    return canvas->bytes;
}

static void set_colour(PlotCanvas *canvas, struct plot_colour colour)
{
    cairo_set_source_rgba(canvas->cr, colour.red, colour.green, colour.blue,
                          colour.alpha);
}

void plot_rectangle(PlotCanvas *canvas, double x, double y, double width,
                    double height, struct plot_colour colour)
{
    cairo_rectangle(canvas->cr, x, y, width, height);
    plot_fill(canvas, colour);
}

void plot_border(PlotCanvas *canvas, double x, double y, double width,
                 double height, struct plot_colour colour)
{
    cairo_rectangle(canvas->cr, x, y, width, height);
    plot_stroke(canvas, 1, FALSE, colour);
}

void plot_hatch(PlotCanvas *canvas, double x, double y, double width,
                double height, struct plot_colour colour)
{
    /* Lines of equal x + y, at the same places in neighbouring areas. */
    double sum = ceil((x + y) / HATCH_SPACE) * HATCH_SPACE;

    for (; sum < x + width + y + height; sum += HATCH_SPACE) {
        const double left = MAX(x, sum - y - height);
        const double right = MIN(x + width, sum - y);

        if (left < right) {
            plot_move(canvas, left, sum - left);
            plot_line(canvas, right, sum - right);
        }
    }
    plot_stroke(canvas, 1, FALSE, colour);
}

void plot_move(PlotCanvas *canvas, double x, double y)
{
    g_assert(isfinite(x) && isfinite(y));
    cairo_move_to(canvas->cr, x, y);
}

void plot_line(PlotCanvas *canvas, double x, double y)
{
    g_assert(isfinite(x) && isfinite(y));
    cairo_line_to(canvas->cr, x, y);
}

void plot_stroke(PlotCanvas *canvas, double line_width, gboolean dashed,
                 struct plot_colour colour)
{
    static const double dashes[] = { 5, 3 };

    set_colour(canvas, colour);
    cairo_set_line_width(canvas->cr, line_width);
    cairo_set_dash(canvas->cr, dashes, dashed ? G_N_ELEMENTS(dashes) : 0, 0);
    cairo_stroke(canvas->cr);
}

void plot_fill(PlotCanvas *canvas, struct plot_colour colour)
{
    set_colour(canvas, colour);
    cairo_fill(canvas->cr);
}

void plot_pointer(PlotCanvas *canvas, double x, double y, double size)
{
    plot_move(canvas, x, y);
    plot_line(canvas, x - size / 2, y - size);
    plot_line(canvas, x + size / 2, y - size);
    cairo_close_path(canvas->cr);
}

void plot_cross(PlotCanvas *canvas, double x, double y, double size)
{
    const double reach = size / 2;

    plot_move(canvas, x - reach, y - reach);
    plot_line(canvas, x + reach, y + reach);
    plot_move(canvas, x - reach, y + reach);
    plot_line(canvas, x + reach, y - reach);
}

static void set_font(PlotCanvas *canvas, double size, gboolean bold)
{
    cairo_select_font_face(canvas->cr, FONT, CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD
                                : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cr, size);
}

static double advance(PlotCanvas *canvas, const char *text)
{
    cairo_text_extents_t extents;

    cairo_text_extents(canvas->cr, text, &extents);
    return extents.x_advance;
}

double plot_text_width(PlotCanvas *canvas, double size, const char *text)
{
    g_autofree char *cleaned = clean(text);

    set_font(canvas, size, FALSE);
    return advance(canvas, cleaned);
}

void plot_text(PlotCanvas *canvas, double x, double y, double size,
               PlotAlign align, struct plot_colour colour, const char *text)
{
    g_autofree char *cleaned = clean(text);

    set_font(canvas, size, FALSE);
    if (align != PLOT_LEFT) {
        x -= advance(canvas, cleaned) / (align == PLOT_MIDDLE ? 2 : 1);
    }
    set_colour(canvas, colour);
    plot_move(canvas, x, y);
    cairo_show_text(canvas->cr, cleaned);
    cairo_new_path(canvas->cr);
}

void plot_text_bold(PlotCanvas *canvas, double x, double y, double size,
                    struct plot_colour colour, const char *text)
{
    g_autofree char *cleaned = clean(text);

    set_font(canvas, size, TRUE);
    set_colour(canvas, colour);
    plot_move(canvas, x, y);
    cairo_show_text(canvas->cr, cleaned);
    cairo_new_path(canvas->cr);
}

void plot_text_upward(PlotCanvas *canvas, double x, double y, double size,
                      struct plot_colour colour, const char *text)
{
    cairo_save(canvas->cr);
    cairo_translate(canvas->cr, x, y);
    cairo_rotate(canvas->cr, -G_PI / 2);
    plot_text(canvas, 0, 0, size, PLOT_MIDDLE, colour, text);
    cairo_restore(canvas->cr);
}

char *plot_text_cut(PlotCanvas *canvas, double size, double width,
                    const char *text)
{
    char *kept = clean(text);

    while (*kept && plot_text_width(canvas, size, kept) > width) {
        glong n = g_utf8_strlen(kept, -1);
        /* Without the last letter, and without the ellipsis of before. */
        glong keep = n - (g_str_has_suffix(kept, ELLIPSIS) ? 2 : 1);
        g_autofree char *shorter = g_utf8_substring(kept, 0, MAX(keep, 0));

        g_free(kept);
        if (keep <= 0) {
            return g_strdup("");
        }
        kept = g_strconcat(shorter, ELLIPSIS, NULL);
    }
    return kept;
}
