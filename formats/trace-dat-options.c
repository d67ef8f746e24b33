/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options that are added to a trace.dat, as bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace-dat-private.h"
#include "trace-dat.h"

/* Readers keep an option's size in an int. */
#define BYTES_MAX (1u << 30)

/* TIME_SHIFT's flag for "interpolate". */
#define SHIFT_INTERPOLATE 1

void tcs_trace_dat_options_init(struct tcs_trace_dat_options *options,
                                const struct tcs_trace_dat *dat)
{
    *options = (struct tcs_trace_dat_options){ .big_endian = dat->big_endian };
}

void tcs_trace_dat_options_clear(struct tcs_trace_dat_options *options)
{
    free(options->bytes);
    *options = (struct tcs_trace_dat_options){ 0 };
}

/* `n` more bytes to be filled, or NULL. */
static uint8_t *grow(struct tcs_trace_dat_options *options, size_t n)
{
    size_t capacity = options->capacity ? options->capacity : 4096;
    uint8_t *bytes;

    if (options->failed || n > BYTES_MAX - options->n) {
        options->failed = true;
        return NULL;
    }
    while (capacity < options->n + n) {
        capacity *= 2;
    }
    if (capacity != options->capacity) {
        bytes = realloc(options->bytes, capacity);
        if (!bytes) {
            options->failed = true;
            return NULL;
        }
        options->bytes = bytes;
        options->capacity = capacity;
    }
    options->n += n;
    return options->bytes + options->n - n;
}

static void add_number(struct tcs_trace_dat_options *options, size_t n,
                       uint64_t value)
{
    uint8_t *bytes = grow(options, n);

    if (bytes) {
        tcs_trace_dat_put(bytes, n, options->big_endian, value);
    }
}

static void add_string(struct tcs_trace_dat_options *options, const char *text)
{
    uint8_t *bytes = grow(options, strlen(text) + 1);

    if (bytes) {
        memcpy(bytes, text, strlen(text) + 1);
    }
}

/* Begins an option; ends by end_option() with what this returned. */
static size_t begin_option(struct tcs_trace_dat_options *options,
                           enum tcs_trace_dat_option id)
{
    add_number(options, 2, id);
    add_number(options, 4, 0);
    return options->n;
}

static void end_option(struct tcs_trace_dat_options *options, size_t start)
{
    if (!options->failed) {
        tcs_trace_dat_put(options->bytes + start - 4, 4, options->big_endian,
                          options->n - start);
    }
}

void tcs_trace_dat_add_trace_id(struct tcs_trace_dat_options *options,
                                uint64_t id)
{
    size_t start = begin_option(options, OPTION_TRACEID);

    add_number(options, 8, id);
    end_option(options, start);
}

void tcs_trace_dat_add_time_shift(struct tcs_trace_dat_options *options,
                                  uint64_t peer_id,
                                  const struct tcs_trace_dat_shift *cpus,
                                  size_t n_cpus)
{
    size_t start = begin_option(options, OPTION_TIME_SHIFT);

    add_number(options, 8, peer_id);
    add_number(options, 4, SHIFT_INTERPOLATE);
    add_number(options, 4, n_cpus);
    for (size_t c = 0; c < n_cpus; c++) {
        add_number(options, 4, cpus[c].n);
        for (size_t i = 0; i < cpus[c].n; i++) {
            add_number(options, 8, cpus[c].points[i].time);
        }
        for (size_t i = 0; i < cpus[c].n; i++) {
            add_number(options, 8, (uint64_t)cpus[c].points[i].offset);
        }
        /* Scale 1: a rate is in the offsets; readers get scales wrong. */
        for (size_t i = 0; i < cpus[c].n; i++) {
            add_number(options, 8, 1);
        }
    }
    for (size_t c = 0; c < n_cpus; c++) {
        for (size_t i = 0; i < cpus[c].n; i++) {
            add_number(options, 8, 0);
        }
    }
    end_option(options, start);
}

void tcs_trace_dat_add_guest(struct tcs_trace_dat_options *options,
                             const char *name, uint64_t trace_id,
                             const struct tcs_trace_dat_vcpu *vcpus, size_t n)
{
    size_t start = begin_option(options, OPTION_GUEST);

    add_string(options, name);
    add_number(options, 8, trace_id);
    add_number(options, 4, n);
    for (size_t i = 0; i < n; i++) {
        add_number(options, 4, vcpus[i].cpu);
        add_number(options, 4, vcpus[i].thread_id);
    }
    end_option(options, start);
}

void tcs_trace_dat_add_tsc2nsec(struct tcs_trace_dat_options *options,
                                uint32_t mult, uint32_t shift)
{
    size_t start = begin_option(options, OPTION_TSC2NSEC);

    add_number(options, 4, mult);
    add_number(options, 4, shift);
    add_number(options, 8, 0);
    end_option(options, start);
}

void tcs_trace_dat_add_offset(struct tcs_trace_dat_options *options,
                              int64_t offset_ns)
{
    size_t start = begin_option(options, OPTION_OFFSET);
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)offset_ns);
    add_string(options, text);
    end_option(options, start);
}
