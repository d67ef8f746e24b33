/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adjtimex(2) in the form that changes nothing.
 */
#include "realtime-error.h"

#include <glib.h>
#include <sys/timex.h>

/* The kernel tells both errors in microseconds, whatever else is in ns. */
static uint64_t us_to_ns(long us)
{
    return us < 0 ? 0 : (uint64_t)us * 1000;
}

void tga_realtime_error_note(struct tga_realtime_error *error)
{
    struct timex timex = { .modes = 0 };
    int state = adjtimex(&timex);

    if (state < 0) {
        return;
    }
    error->is_synchronized = (error->is_synchronized || !error->is_known) &&
                             state != TIME_ERROR &&
                             !(timex.status & STA_UNSYNC);
    error->max_error_ns = MAX(error->max_error_ns, us_to_ns(timex.maxerror));
    error->estimated_error_ns =
        MAX(error->estimated_error_ns, us_to_ns(timex.esterror));
    error->is_known = true;
}
