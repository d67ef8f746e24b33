/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded: adjtimex() as if NTP had disciplined this machine, so that a test
 * need not touch its clock. FAKE_MAX_ERROR_US in the environment; without it
 * the clock is not synchronized.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

__attribute__((visibility("default"))) int adjtimex(struct timex *state)
{
    const char *max_error = getenv("FAKE_MAX_ERROR_US");

    memset(state, 0, sizeof(*state));
    state->tick = 10000;
    state->maxerror = max_error ? atol(max_error) : 16000000;
    state->esterror = 1;
    state->status = max_error ? STA_PLL : STA_UNSYNC;
    return max_error ? TIME_OK : TIME_ERROR;
}
