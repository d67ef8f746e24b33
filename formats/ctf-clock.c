/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ctf-clock.h; CTF 1.8 section 8, babeltrace2-source.ctf.fs(7).
 */
#include "ctf-clock.h"

#include <inttypes.h>
#include <stdio.h>

#include "clocksync/span.h"

#define NS_PER_S 1000000000

void tcs_ctf_clock_set_offset(struct tcs_ctf_clock *clock, uint64_t value,
                              int64_t at_ns)
{
    /* Ticks since 1970 when it showed 0. */
    tcs_i128 ticks = tcs_floor_div((tcs_i128)at_ns * clock->freq, NS_PER_S) -
                     (tcs_i128)value;

    clock->offset_s = (int64_t)tcs_floor_div(ticks, clock->freq);
    clock->offset = (uint64_t)(ticks - (tcs_i128)clock->offset_s * clock->freq);
}

/* Ticks as ns in babeltrace2's arithmetic; 2^64 - 1 where that overflows. */
static uint64_t ticks_to_ns(const struct tcs_ctf_clock *clock, uint64_t ticks)
{
    double ns;

    if (clock->freq == NS_PER_S) {
        return ticks;
    }
    ns = 1e9 * (double)ticks / (double)clock->freq;
    return ns < 0x1p64 ? (uint64_t)ns : UINT64_MAX;
}

int64_t tcs_ctf_clock_ns(const struct tcs_ctf_clock *clock, uint64_t value)
{
    tcs_i128 ns = (tcs_i128)clock->offset_s * NS_PER_S +
                  ticks_to_ns(clock, clock->offset) + ticks_to_ns(clock, value);

    return ns > INT64_MIN && ns < INT64_MAX ? (int64_t)ns : INT64_MAX;
}

uint64_t tcs_ctf_clock_rounding(const struct tcs_ctf_clock *clock,
                                uint64_t value)
{
    if (clock->freq == NS_PER_S) {
        return 0;
    }
    /* Three roundings of 2^-53 each, rounded up, and two cuts. */
    return ticks_to_ns(clock, value) / ((uint64_t)1 << 51) + 3;
}

char *tcs_ctf_clock_block(const struct tcs_ctf_clock *clock)
{
    char *text;

    if (asprintf(&text,
                 "clock {\n"
                 "\tname = %s;\n"
                 "\tuuid = \"%s\";\n"
                 "\tfreq = %" PRIu64 ";\n"
                 "\tprecision = %" PRIu64 ";\n"
                 "\toffset_s = %" PRId64 ";\n"
                 "\toffset = %" PRIu64 ";\n"
                 "\tabsolute = true;\n"
                 "};\n",
                 clock->name, clock->uuid, clock->freq, clock->precision,
                 clock->offset_s, clock->offset) < 0) {
        return NULL;
    }
    return text;
}

char *tcs_ctf_babeltrace_params(const char *directory, int64_t offset_ns)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        return NULL;
    }
    fputs("inputs=[\"", out);
    for (; *directory; directory++) {
        fprintf(out, *directory == '"' || *directory == '\\' ? "\\%c" : "%c",
                *directory);
    }
    fprintf(out,
            "\"],clock-class-offset-ns=%" PRId64
            ",force-clock-class-origin-unix-epoch=yes",
            offset_ns);
    return fclose(out) == 0 ? text : NULL;
}
