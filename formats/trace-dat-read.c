/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a trace.dat's header and its chain of options. Event data are not
 * looked at.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace-dat-private.h"
#include "trace-dat.h"

/* Options larger than this are none that are looked into. */
#define LOOK_INTO_MAX (1u << 20)
#define OPTIONS_MAX   65536

static const char magic[] = "\x17\x08\x44tracing";

static int fail(const char **ret_why, int error, const char *why)
{
    *ret_why = why;
    return error;
}

/* Notes that something lies there. FALSE: not within the file. */
static bool use(struct tcs_trace_dat *dat, uint64_t at, uint64_t n)
{
    if (at > dat->size || n > dat->size - at) {
        return false;
    }
    dat->used = dat->used > at + n ? dat->used : at + n;
    return true;
}

/* All of `n` bytes at `at`. */
static int read_at(const struct tcs_trace_dat *dat, uint64_t at, void *bytes,
                   size_t n, const char **ret_why)
{
    size_t done = 0;

    if (at > dat->size || n > dat->size - at) {
        return fail(ret_why, -ENODATA,
                    "the file is truncated, or not finished: something in it "
                    "lies behind its end");
    }
    while (done < n) {
        ssize_t got =
            pread(dat->fd, (char *)bytes + done, n - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return fail(ret_why, got ? -errno : -ENODATA, "cannot be read");
        }
        done += (size_t)got;
    }
    return 0;
}

/* A string of at most `max` bytes with its NUL; the offset behind it. */
static int skip_string(const uint8_t *bytes, size_t n, size_t *at, size_t max)
{
    size_t length = strnlen((const char *)bytes + *at, n - *at);

    if (length == n - *at || length >= max) {
        return -EINVAL;
    }
    *at += length + 1;
    return 0;
}

static int read_header(struct tcs_trace_dat *dat, const char **ret_why)
{
    uint8_t bytes[256] = { 0 };
    size_t n = dat->size < sizeof(bytes) ? dat->size : sizeof(bytes);
    size_t at = sizeof(magic) - 1;
    int ret = read_at(dat, 0, bytes, n, ret_why);

    if (ret < 0) {
        return ret;
    }
    if (n <= at || memcmp(bytes, magic, at) != 0) {
        return fail(ret_why, -EINVAL, "this is no trace.dat file");
    }
    if (memcmp(bytes + at, "7", 2) != 0) {
        return fail(ret_why, -ENOTSUP,
                    bytes[at] == '6'
                        ? "this is a version 6 file, which cannot be extended; "
                          "make a version 7 file of it with `trace-cmd "
                          "convert --file-version 7 -i OLD -o NEW`"
                        : "this version of trace.dat is not known here (7 is)");
    }
    at += 2;
    dat->big_endian = bytes[at];
    if (n < at + 6 || bytes[at] > 1) {
        return fail(ret_why, -EINVAL, "the header is damaged");
    }
    at += 6; /* byte order, size of long, page size */
    if (skip_string(bytes, n, &at, 64) < 0 ||
        skip_string(bytes, n, &at, 64) < 0 || n < at + 8) {
        return fail(ret_why, -EINVAL, "the header is damaged");
    }
    dat->links[0].at = at;
    dat->links[0].section = tcs_trace_dat_get(bytes + at, 8, dat->big_endian);
    dat->n_links = 1;
    if (dat->links[0].section == 0) {
        return fail(ret_why, -ENODATA,
                    "the recording was not finished: the file has no options "
                    "yet");
    }
    return 0;
}

/* Bytes of an option that are left to be taken. */
struct cursor {
    const uint8_t *bytes;
    size_t n;
    bool big_endian;
    bool failed;
};

static uint64_t take(struct cursor *cursor, size_t n)
{
    uint64_t value;

    if (cursor->n < n) {
        cursor->failed = true;
        return 0;
    }
    value = tcs_trace_dat_get(cursor->bytes, n, cursor->big_endian);
    cursor->bytes += n;
    cursor->n -= n;
    return value;
}

static const char *take_string(struct cursor *cursor)
{
    const char *text = (const char *)cursor->bytes;
    size_t length = strnlen(text, cursor->n);

    if (length == cursor->n) {
        cursor->failed = true;
        return "";
    }
    cursor->bytes += length + 1;
    cursor->n -= length + 1;
    return text;
}

static int parse_buffer(struct tcs_trace_dat *dat, struct cursor cursor,
                        const char **ret_why)
{
    const char *name, *clock;
    uint8_t header[SECTION_HEADER_SIZE];
    uint64_t section = take(&cursor, 8);
    size_t n_cpus;

    name = take_string(&cursor);
    clock = take_string(&cursor);
    if (!cursor.failed && (*name || dat->has_buffer)) {
        dat->n_instances++;
        return 0;
    }
    dat->page_size = (uint32_t)take(&cursor, 4);
    n_cpus = take(&cursor, 4);
    if (cursor.failed || strlen(clock) > TCS_TRACE_DAT_NAME_MAX ||
        n_cpus > TCS_TRACE_DAT_CPUS_MAX || cursor.n < 20 * n_cpus) {
        return fail(ret_why, -EINVAL, "its BUFFER option is damaged");
    }
    dat->cpus = calloc(n_cpus + 1, sizeof(*dat->cpus));
    dat->data = calloc(n_cpus + 1, sizeof(*dat->data));
    if (!dat->cpus || !dat->data) {
        return fail(ret_why, -ENOMEM, "out of memory");
    }
    dat->is_compressed =
        read_at(dat, section, header, sizeof(header), ret_why) < 0 ||
        tcs_trace_dat_get(header + 2, 2, dat->big_endian) &
            SECTION_FLAG_COMPRESSED;
    for (size_t i = 0; i < n_cpus; i++) {
        struct tcs_trace_dat_data *data = &dat->data[i];

        dat->cpus[i] = (uint32_t)take(&cursor, 4);
        data->at = take(&cursor, 8);
        data->size = take(&cursor, 8);
        if (!use(dat, data->at, data->size)) {
            return fail(ret_why, -ENODATA,
                        "the file is truncated: it lacks event data");
        }
    }
    strcpy(dat->clock, clock);
    dat->n_cpus = n_cpus;
    dat->has_buffer = true;
    return 0;
}

/* DATE and OFFSET: a number as text, in decimal or as 0x. */
static int parse_offset(struct tcs_trace_dat *dat, struct cursor cursor,
                        int64_t unit_ns, const char **ret_why)
{
    int64_t value;

    if (!memchr(cursor.bytes, 0, cursor.n) ||
        __builtin_mul_overflow(strtoll((const char *)cursor.bytes, NULL, 0),
                               unit_ns, &value) ||
        __builtin_add_overflow(dat->ts_offset_ns, value, &dat->ts_offset_ns)) {
        return fail(ret_why, -EINVAL, "its time offset option is damaged");
    }
    return 0;
}

static int parse_option(struct tcs_trace_dat *dat, uint16_t id,
                        struct cursor cursor, const char **ret_why)
{
    switch (id) {
    case OPTION_BUFFER:
        return parse_buffer(dat, cursor, ret_why);
    case OPTION_DATE:
        return parse_offset(dat, cursor, 1000, ret_why);
    case OPTION_OFFSET:
        return parse_offset(dat, cursor, 1, ret_why);
    case OPTION_TRACEID:
        dat->trace_id = take(&cursor, 8);
        dat->has_trace_id = true;
        break;
    case OPTION_TSC2NSEC:
        dat->tsc_mult = (uint32_t)take(&cursor, 4);
        dat->tsc_shift = (uint32_t)take(&cursor, 4);
        dat->has_tsc2nsec = dat->tsc_mult != 0;
        break;
    default:
        if (id >= OPTION_FIRST_SECTION && id <= OPTION_LAST_SECTION &&
            !use(dat, take(&cursor, 8), SECTION_HEADER_SIZE)) {
            return fail(ret_why, -ENODATA,
                        "the file is truncated: it lacks a section");
        }
        break;
    }
    return cursor.failed
               ? fail(ret_why, -EINVAL, "one of its options is damaged")
               : 0;
}

/* One option at *at, which is moved behind it. *ret_done: it was DONE. */
static int read_option(struct tcs_trace_dat *dat, uint64_t *at, bool *ret_done,
                       const char **ret_why)
{
    uint8_t header[OPTION_HEADER_SIZE];
    int ret = read_at(dat, *at, header, sizeof(header), ret_why);
    uint16_t id;
    uint32_t size;
    uint8_t *bytes;

    if (ret < 0) {
        return ret;
    }
    id = (uint16_t)tcs_trace_dat_get(header, 2, dat->big_endian);
    size = (uint32_t)tcs_trace_dat_get(header + 2, 4, dat->big_endian);
    *at += sizeof(header);
    *ret_done = id == OPTION_DONE;
    if (*ret_done && size != 8) {
        return fail(ret_why, -EINVAL, "one of its DONE options is damaged");
    }
    if (id == OPTION_TIME_SHIFT) {
        dat->has_time_shift = true;
    } else if (size <= LOOK_INTO_MAX && !*ret_done) {
        bytes = malloc(size + 1);
        if (!bytes) {
            return fail(ret_why, -ENOMEM, "out of memory");
        }
        ret = read_at(dat, *at, bytes, size, ret_why);
        if (ret == 0) {
            ret = parse_option(dat, id,
                               (struct cursor){ .bytes = bytes,
                                                .n = size,
                                                .big_endian = dat->big_endian },
                               ret_why);
        }
        free(bytes);
        if (ret < 0) {
            return ret;
        }
    }
    *at += *ret_done ? 0 : size;
    return 0;
}

/* The options section that the last link leads to; adds the next link. */
static int read_section(struct tcs_trace_dat *dat, size_t *options,
                        const char **ret_why)
{
    uint8_t bytes[SECTION_HEADER_SIZE];
    uint64_t at = dat->links[dat->n_links - 1].section;
    bool done = false;
    int ret = read_at(dat, at, bytes, sizeof(bytes), ret_why);

    if (ret < 0) {
        return ret;
    }
    if (tcs_trace_dat_get(bytes, 2, dat->big_endian) != SECTION_OPTIONS ||
        tcs_trace_dat_get(bytes + 2, 2, dat->big_endian) != 0) {
        return fail(ret_why, -EINVAL, "its chain of options is damaged");
    }
    dat->options_string =
        (uint32_t)tcs_trace_dat_get(bytes + 4, 4, dat->big_endian);
    at += sizeof(bytes);
    while (!done) {
        if (++*options > OPTIONS_MAX ||
            dat->n_links == TCS_TRACE_DAT_LINK_MAX) {
            return fail(ret_why, -EINVAL,
                        "its chain of options runs in a circle");
        }
        ret = read_option(dat, &at, &done, ret_why);
        if (ret < 0) {
            return ret;
        }
    }
    ret = read_at(dat, at, bytes, 8, ret_why);
    if (ret < 0) {
        return ret;
    }
    use(dat, at, 8);
    dat->links[dat->n_links++] = (struct tcs_trace_dat_link){
        .at = at, .section = tcs_trace_dat_get(bytes, 8, dat->big_endian)
    };
    return 0;
}

/* Whether a link lies in a section's header, which it would change. */
static bool is_on_link(const struct tcs_trace_dat *dat, uint64_t header)
{
    for (size_t i = 0; i < dat->n_links; i++) {
        if (dat->links[i].at + 8 > header &&
            dat->links[i].at < header + SECTION_HEADER_SIZE) {
            return true;
        }
    }
    return false;
}

/*
 * Readers look for sections one after the other, whether they are linked or
 * not. So must who writes: behind the last whole one, in place of what a
 * killed writer may have left there.
 */
static int find_end(struct tcs_trace_dat *dat, const char **ret_why)
{
    uint64_t at = dat->links[0].at + 8;

    while (at < dat->size) {
        uint8_t header[SECTION_HEADER_SIZE];
        uint64_t size;
        uint16_t id;
        int ret;

        if (dat->size - at < sizeof(header)) {
            break;
        }
        ret = read_at(dat, at, header, sizeof(header), ret_why);
        if (ret < 0) {
            return ret;
        }
        if (is_on_link(dat, at)) {
            return fail(ret_why, -EINVAL,
                        "its sections are damaged: they overlap");
        }
        id = (uint16_t)tcs_trace_dat_get(header, 2, dat->big_endian);
        size = tcs_trace_dat_get(header + 8, 8, dat->big_endian);
        if (size > dat->size - at - sizeof(header)) {
            if (id != SECTION_OPTIONS) {
                return fail(ret_why, -ENODATA,
                            "the file is truncated: its last section is not "
                            "whole");
            }
            break;
        }
        at += sizeof(header) + size;
    }
    dat->end = at;
    if (dat->used > at) {
        return fail(ret_why, -EINVAL,
                    "its sections are damaged: what options lead to lies "
                    "behind the last of them");
    }
    return 0;
}

int tcs_trace_dat_read(struct tcs_trace_dat *dat, int fd, const char **ret_why)
{
    size_t options = 0;
    struct stat status;
    int ret;

    *dat = (struct tcs_trace_dat){ .fd = fd };
    if (fstat(fd, &status) < 0) {
        return fail(ret_why, -errno, "cannot be read");
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(ret_why, -EINVAL, "this is no regular file");
    }
    dat->size = (uint64_t)status.st_size;
    ret = read_header(dat, ret_why);
    while (ret == 0 && dat->links[dat->n_links - 1].section != 0) {
        ret = read_section(dat, &options, ret_why);
    }
    if (ret == 0 && !dat->has_buffer) {
        ret = fail(ret_why, -ENOTSUP,
                   "the file has no events of the top trace instance");
    }
    if (ret == 0) {
        ret = find_end(dat, ret_why);
    }
    if (ret < 0) {
        tcs_trace_dat_clear(dat);
    }
    return ret;
}

void tcs_trace_dat_clear(struct tcs_trace_dat *dat)
{
    free(dat->cpus);
    free(dat->data);
    dat->cpus = NULL;
    dat->data = NULL;
    dat->n_cpus = 0;
}
