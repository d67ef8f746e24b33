/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bracket-probe COUNT: the tightest bracket that this machine's own loop of
 * counter, clock, counter reaches, in ticks of its counter: for each clock the
 * least of COUNT (1 to 10000000) tries, as a JSON object. What bounds are held
 * against by tests/testbed/scenarios/bench_kvm.py.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clockread/counter.h"

#define COUNT_MAX 10000000

static const struct {
    const char *name;
    clockid_t id;
} clocks[] = {
    { "mono", CLOCK_MONOTONIC },    { "mono_raw", CLOCK_MONOTONIC_RAW },
    { "boot", CLOCK_BOOTTIME },     { "tai", CLOCK_TAI },
    { "realtime", CLOCK_REALTIME },
};

static uint64_t tightest(clockid_t id, long count)
{
    uint64_t least = UINT64_MAX;

    while (count-- > 0) {
        struct timespec value;
        uint64_t before = tcs_counter_before();

        clock_gettime(id, &value);

        uint64_t ticks = tcs_counter_after() - before;

        least = ticks < least ? ticks : least;
    }
    return least;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    long count = argc == 2 ? strtol(argv[1], &end, 10) : 0;

    if (count < 1 || count > COUNT_MAX || *end != '\0') {
        fputs("usage: bracket-probe COUNT\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        printf("%s\"%s\": %" PRIu64, i == 0 ? "{" : ", ", clocks[i].name,
               tightest(clocks[i].id, count));
    }
    puts("}");
    return fflush(stdout) == 0 ? 0 : 1;
}
