/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See plot-output.h.
 */
#include "plot-output.h"

#include <signal.h>

#include "error.h"

gboolean tcs_plot_output_init(TcsPlotOutput *ret, const char *path,
                              GError **error)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    ret->path = path;
    ret->format = g_str_has_suffix(lower, ".png") ? PLOT_PNG : PLOT_SVG;
    if (ret->format == PLOT_SVG && !g_str_has_suffix(lower, ".svg")) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "--output %s: pictures are .svg or .png", path);
        return FALSE;
    }
    return TRUE;
}

gboolean tcs_plot_output_write(const TcsPlotOutput *output, PlotCanvas *canvas,
                               const char *title, const char *description,
                               GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *advice = NULL;
    const GByteArray *bytes;
    const char *why;
    sigset_t all, before;
    gboolean ok;

    bytes = plot_canvas_finish(canvas, title, description, &why);
    if (!bytes) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_INTERNAL,
                    "the picture cannot be drawn: %s", why);
        return FALSE;
    }
    /* A signal that would leave a temporary file waits for the rename. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ok = g_file_set_contents_full(output->path, (const char *)bytes->data,
                                  bytes->len, G_FILE_SET_CONTENTS_CONSISTENT,
                                  0644, &failure);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!ok) {
        advice = tcs_error_write_advice(failure);
        g_set_error(error, TCS_ERROR, TCS_ERROR_FILE, "cannot write %s: %s; %s",
                    output->path, failure->message, advice);
    }
    return ok;
}
