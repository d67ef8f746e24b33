/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads one clock through a marker, many times, for scenarios that judge the
 * readings: marker-probe CLOCK CPU READINGS SAMPLES. Unlike the agent it also
 * reads mono and its kin that way, and beside each reading it says what the
 * perf page's formula makes of the two counters. JSON, one object a line.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clockread/marker-clock.h"
#include "clockread/perf-page.h"

static void print(const struct tcs_clock_sample *sample,
                  const struct tcs_perf_scale *scale)
{
    printf("{\"before\": %" PRIu64 ", \"value\": %" PRId64
           ", \"after\": %" PRIu64 ", \"resolution\": %" PRIu32,
           sample->counter_before, sample->value_ns, sample->counter_after,
           sample->resolution_ns);
    if (scale != NULL) {
        printf(", \"page\": [%" PRIu64 ", %" PRIu64 "]",
               tcs_perf_scale_apply(scale, sample->counter_before),
               tcs_perf_scale_apply(scale, sample->counter_after));
    }
    puts("}");
}

int main(int argc, char **argv)
{
    const struct tcs_marker_clock *clock =
        argc == 5 ? tcs_marker_clock_find(argv[1]) : NULL;
    struct tcs_perf_scale scale;
    struct tcs_marker *marker;
    char reason[256];
    cpu_set_t set;
    int cpu, fd, ret = 0;
    bool has_scale;

    if (clock == NULL) {
        fputs("usage: marker-probe CLOCK CPU READINGS SAMPLES\n", stderr);
        return 2;
    }
    cpu = atoi(argv[2]);
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0) {
        perror("sched_setaffinity");
        return 1;
    }
    fd = tcs_perf_page_open();
    has_scale = fd >= 0 && tcs_perf_page_scale(fd, &scale) == 0;
    if (tcs_marker_open(clock, &marker, reason, sizeof(reason)) < 0) {
        fprintf(stderr, "%s: %s\n", clock->name, reason);
        return 1;
    }
    for (int i = atoi(argv[3]); i > 0 && ret == 0; i--) {
        struct tcs_clock_sample sample;

        ret = tcs_marker_read(marker, cpu, (unsigned int)atoi(argv[4]), &sample,
                              reason, sizeof(reason));
        if (ret == 0) {
            print(&sample, has_scale ? &scale : NULL);
        } else {
            fprintf(stderr, "%s: %s\n", clock->name, reason);
        }
    }
    tcs_marker_close(marker);
    return ret < 0;
}
