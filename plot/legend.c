/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See legend.h.
 */
#include "legend.h"

#define TITLE_AT     28.0
#define LINE_HEIGHT  PLOT_LINE_HEIGHT
#define SWATCH_WIDTH 24.0
#define SWATCH_SPACE 6.0
#define ITEM_SPACE   22.0

double plot_heading_height(const char *const *lines)
{
    return TITLE_AT + LINE_HEIGHT * g_strv_length((char **)lines) + 10;
}

double plot_heading(PlotCanvas *canvas, double x, double width,
                    const char *title, const char *const *lines)
{
    double y = TITLE_AT;
    /* Bold letters are wider than those that are measured. */
    g_autofree char *cut =
        plot_text_cut(canvas, PLOT_TITLE_SIZE * 1.12, width, title);

    plot_text_bold(canvas, x, y, PLOT_TITLE_SIZE, PLOT_TEXT, cut);
    for (; *lines; lines++) {
        g_autofree char *line =
            plot_text_cut(canvas, PLOT_TEXT_SIZE, width, *lines);

        y += LINE_HEIGHT;
        plot_text(canvas, x, y, PLOT_TEXT_SIZE, PLOT_LEFT, PLOT_FAINT, line);
    }
    return y + 10;
}

void plot_paragraph(PlotCanvas *canvas, double x, double y, double width,
                    const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autoptr(GString) line = g_string_new(NULL);

    for (char **word = words; *word; word++) {
        const gsize length = line->len;

        g_string_append_printf(line, "%s%s", length ? " " : "", *word);
        if (length &&
            plot_text_width(canvas, PLOT_TEXT_SIZE, line->str) > width) {
            g_string_truncate(line, length);
            plot_text(canvas, x, y, PLOT_TEXT_SIZE, PLOT_LEFT, PLOT_FAINT,
                      line->str);
            y += LINE_HEIGHT;
            g_string_assign(line, *word);
        }
    }
    plot_text(canvas, x, y, PLOT_TEXT_SIZE, PLOT_LEFT, PLOT_FAINT, line->str);
}

static void draw_swatch(PlotCanvas *canvas, double x, double y,
                        const PlotLegendItem *item)
{
    const double middle = y - 4, centre = x + SWATCH_WIDTH / 2;

    switch (item->swatch) {
    case PLOT_SWATCH_AREA:
        plot_rectangle(canvas, x, y - 10, SWATCH_WIDTH, 12, item->colour);
        break;
    case PLOT_SWATCH_HATCH:
        plot_hatch(canvas, x, y - 10, SWATCH_WIDTH, 12, item->colour);
        break;
    case PLOT_SWATCH_LINE:
    case PLOT_SWATCH_DASHES:
        plot_move(canvas, x, middle);
        plot_line(canvas, x + SWATCH_WIDTH, middle);
        plot_stroke(canvas, 1.5, item->swatch == PLOT_SWATCH_DASHES,
                    item->colour);
        break;
    case PLOT_SWATCH_BAR:
        plot_move(canvas, centre, y - 11);
        plot_line(canvas, centre, y + 3);
        plot_stroke(canvas, 1.5, FALSE, item->colour);
        break;
    case PLOT_SWATCH_CROSS:
        plot_cross(canvas, centre, middle, 7);
        plot_stroke(canvas, 1, FALSE, item->colour);
        break;
    case PLOT_SWATCH_POINTER:
        plot_pointer(canvas, centre, y + 1, 9);
        plot_fill(canvas, item->colour);
        break;
    }
}

double plot_legend(PlotCanvas *canvas, double x, double y, double width,
                   const PlotLegendItem *items, gsize n)
{
    const double end = x + width;
    double at = x;

    y += 14;
    for (gsize i = 0; i < n; i++) {
        const double text =
            plot_text_width(canvas, PLOT_TEXT_SIZE, items[i].text);

        if (at > x && at + SWATCH_WIDTH + SWATCH_SPACE + text > end) {
            at = x;
            y += LINE_HEIGHT;
        }
        draw_swatch(canvas, at, y, &items[i]);
        plot_text(canvas, at + SWATCH_WIDTH + SWATCH_SPACE, y, PLOT_TEXT_SIZE,
                  PLOT_LEFT, PLOT_TEXT, items[i].text);
        at += SWATCH_WIDTH + SWATCH_SPACE + text + ITEM_SPACE;
    }
    return y + 6;
}
