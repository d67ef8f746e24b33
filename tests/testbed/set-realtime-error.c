/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does by hand what an NTP daemon does in the end: moves this machine's
 * realtime and tells the kernel how far off it may be. For machines of the
 * testbed only.
 *
 *   set-realtime-error MAX_ERROR_US [MOVE_BY_NS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>

#define NS_PER_S 1000000000LL

static int move_by(long long ns)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) < 0) {
        return -1;
    }
    ns += now.tv_sec * NS_PER_S + now.tv_nsec;
    now.tv_sec = ns / NS_PER_S;
    now.tv_nsec = ns % NS_PER_S;
    return clock_settime(CLOCK_REALTIME, &now);
}

int main(int argc, char **argv)
{
    struct timex state = { .modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR };

    if (argc < 2) {
        fprintf(stderr, "usage: %s MAX_ERROR_US [MOVE_BY_NS]\n", argv[0]);
        return 2;
    }
    if (argc > 2 && move_by(atoll(argv[2])) < 0) {
        perror("clock_settime");
        return 1;
    }
    /* Setting the clock has made it unsynchronized. */
    state.maxerror = state.esterror = atol(argv[1]);
    state.status = STA_PLL;
    if (adjtimex(&state) != TIME_OK) {
        perror("adjtimex");
        return 1;
    }
    return 0;
}
