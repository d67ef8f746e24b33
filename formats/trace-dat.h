/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.dat, version 7 (trace-cmd 3.0 and later): what a file's options say,
 * and adding options to a finished file so that it is valid at every instant.
 * The file is hostile: every length and offset in it is checked. Knows nothing
 * of clocks' relations.
 */
#ifndef FORMATS_TRACE_DAT_H
#define FORMATS_TRACE_DAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCS_TRACE_DAT_NAME_MAX 63
#define TCS_TRACE_DAT_CPUS_MAX 4096
#define TCS_TRACE_DAT_LINK_MAX 1024

/* Where an options section begins, and where the offset is that leads to it. */
struct tcs_trace_dat_link {
    uint64_t at;      /* file offset of the 8 bytes */
    uint64_t section; /* what they say; 0 ends the chain */
};

/* Where a CPU's pages of events are in the file, bytes. */
struct tcs_trace_dat_data {
    uint64_t at;
    uint64_t size;
};

struct tcs_trace_dat {
    int fd; /* borrowed */
    bool big_endian;
    uint64_t size; /* of the file, bytes */
    /*
     * Where the next section goes: the end of the file, or of its last whole
     * section where a writer was killed before it linked what follows.
     */
    uint64_t end;
    uint64_t used; /* all that the options lead to lies before this */

    /* The chain of options sections, the header's first; the last is 0. */
    struct tcs_trace_dat_link links[TCS_TRACE_DAT_LINK_MAX];
    size_t n_links;
    uint32_t options_string; /* how options sections are described */

    /* Of the top instance. Readers' per-CPU tables follow the order of cpus. */
    char clock[TCS_TRACE_DAT_NAME_MAX + 1];
    bool has_buffer;
    uint32_t *cpus;
    struct tcs_trace_dat_data *data; /* of each of cpus */
    size_t n_cpus;
    uint32_t page_size;
    bool is_compressed; /* or may be: then data are no pages */
    size_t n_instances; /* others */

    bool has_trace_id;
    uint64_t trace_id;
    bool has_time_shift; /* corrected already, by whomever */
    bool has_tsc2nsec;
    uint32_t tsc_mult;
    uint32_t tsc_shift;
    int64_t ts_offset_ns; /* of all DATE and OFFSET options together */
};

/*
 * Reads what the options of the file behind `fd` say. `fd` outlives *dat.
 * Returns 0; -EINVAL where it is no trace.dat or a damaged one, -ENOTSUP one
 * that cannot be handled, -ENODATA a truncated or unfinished one, or what read
 * failed with. *ret_why then says so in words that follow "FILE: ".
 */
int tcs_trace_dat_read(struct tcs_trace_dat *dat, int fd, const char **ret_why);
void tcs_trace_dat_clear(struct tcs_trace_dat *dat);

/*
 * The raw stamps of the first event of cpus[i] and of the first one in its last
 * page. FALSE where it has no events, or they are compressed.
 */
bool tcs_trace_dat_extent(const struct tcs_trace_dat *dat, size_t i,
                          uint64_t *ret_first, uint64_t *ret_last);

/* Options to be added. */

struct tcs_trace_dat_options {
    bool big_endian;
    bool failed; /* out of memory, or beyond 1 GiB */
    uint8_t *bytes;
    size_t n;
    size_t capacity;
};

/* One point of a correction: what a reader adds to a stamp of `time`. */
struct tcs_trace_dat_point {
    uint64_t time;
    int64_t offset;
};

/* The points of one CPU, times ascending. */
struct tcs_trace_dat_shift {
    const struct tcs_trace_dat_point *points;
    size_t n;
};

struct tcs_trace_dat_vcpu {
    uint32_t cpu;
    uint32_t thread_id; /* 0 where unknown */
};

void tcs_trace_dat_options_init(struct tcs_trace_dat_options *options,
                                const struct tcs_trace_dat *dat);
void tcs_trace_dat_options_clear(struct tcs_trace_dat_options *options);

/* Failures (see `failed`) are told by tcs_trace_dat_append(). */
void tcs_trace_dat_add_trace_id(struct tcs_trace_dat_options *options,
                                uint64_t id);
/* Interpolated offsets, one table per CPU in the order of dat->cpus. */
void tcs_trace_dat_add_time_shift(struct tcs_trace_dat_options *options,
                                  uint64_t peer_id,
                                  const struct tcs_trace_dat_shift *cpus,
                                  size_t n_cpus);
/* CPUs are numbered 0 to n - 1: older readers know no others. */
void tcs_trace_dat_add_guest(struct tcs_trace_dat_options *options,
                             const char *name, uint64_t trace_id,
                             const struct tcs_trace_dat_vcpu *vcpus, size_t n);
/* mult 0: stamps stay as they are. */
void tcs_trace_dat_add_tsc2nsec(struct tcs_trace_dat_options *options,
                                uint32_t mult, uint32_t shift);
/* Added to each stamp, and to what other such options add. */
void tcs_trace_dat_add_offset(struct tcs_trace_dat_options *options,
                              int64_t offset_ns);

/*
 * Writes the options behind the end of the file, flushes, then links them by
 * one write of 8 bytes that lie in one sector. A kill at any instant leaves the
 * file as it was or with all options. Takes time that depends on the options
 * alone. `dat` is stale afterwards; its fd must be open for writing.
 *
 * Returns 0 or a negative errno, with *ret_why set.
 */
int tcs_trace_dat_append(const struct tcs_trace_dat *dat,
                         const struct tcs_trace_dat_options *options,
                         const char **ret_why);

/*
 * What a reader makes of a stamp: interpolated between the points around it,
 * before the first and after the last along the nearest two. In the reader's
 * own arithmetic, rounding included. At least one point. Returns 0, or -ERANGE
 * where that overflows.
 */
int tcs_trace_dat_corrected(struct tcs_trace_dat_shift shift, uint64_t ts,
                            uint64_t *ret_ts);

#endif
