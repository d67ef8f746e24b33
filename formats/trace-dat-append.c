/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adds an options section to a finished trace.dat.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace-dat-private.h"
#include "trace-dat.h"

#define SECTOR_BYTES 512

/* Options sections are small, and few are ever copied. */
#define COPY_MAX (1u << 30)

static int fail(const char **ret_why, int error, const char *why)
{
    *ret_why = why;
    return error;
}

static int write_at(int fd, uint64_t at, const void *bytes, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, n - done,
                             (off_t)(at + done));

        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return put ? -errno : -EIO;
        }
        done += (size_t)put;
    }
    return 0;
}

static int read_at(int fd, uint64_t at, void *bytes, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got =
            pread(fd, (char *)bytes + done, n - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got ? -errno : -EIO;
        }
        done += (size_t)got;
    }
    return 0;
}

/*
 * The last link that lies in one sector, so that no interruption can tear it.
 * The header's always does.
 */
static size_t whole_link(const struct tcs_trace_dat *dat)
{
    for (size_t i = dat->n_links - 1; i > 0; i--) {
        if (dat->links[i].at % SECTOR_BYTES <= SECTOR_BYTES - 8) {
            return i;
        }
    }
    return 0;
}

/* The bytes of the options in the section a link leads to, without DONE. */
static uint64_t options_size(const struct tcs_trace_dat *dat, size_t link)
{
    return dat->links[link + 1].at - OPTION_HEADER_SIZE -
           (dat->links[link].section + SECTION_HEADER_SIZE);
}

/*
 * The new section: the options of those sections that the new link goes
 * around (mostly none), then the new ones, then DONE. NULL: out of memory, or
 * a read failed.
 */
static uint8_t *build_section(const struct tcs_trace_dat *dat, size_t link,
                              const struct tcs_trace_dat_options *options,
                              uint64_t *ret_n)
{
    uint64_t n = options->n + OPTION_HEADER_SIZE + 8;
    uint8_t *bytes, *at;

    for (size_t i = link; i + 1 < dat->n_links; i++) {
        n += options_size(dat, i);
    }
    if (n > COPY_MAX * 2u) {
        return NULL;
    }
    bytes = calloc(1, SECTION_HEADER_SIZE + n);
    if (!bytes) {
        return NULL;
    }
    tcs_trace_dat_put(bytes, 2, dat->big_endian, SECTION_OPTIONS);
    tcs_trace_dat_put(bytes + 4, 4, dat->big_endian, dat->options_string);
    tcs_trace_dat_put(bytes + 8, 8, dat->big_endian, n);
    at = bytes + SECTION_HEADER_SIZE;
    for (size_t i = link; i + 1 < dat->n_links; i++) {
        if (read_at(dat->fd, dat->links[i].section + SECTION_HEADER_SIZE, at,
                    options_size(dat, i)) < 0) {
            free(bytes);
            return NULL;
        }
        at += options_size(dat, i);
    }
    memcpy(at, options->bytes, options->n);
    at += options->n;
    tcs_trace_dat_put(at, 2, dat->big_endian, OPTION_DONE);
    tcs_trace_dat_put(at + 2, 4, dat->big_endian, 8);
    *ret_n = SECTION_HEADER_SIZE + n;
    return bytes;
}

int tcs_trace_dat_append(const struct tcs_trace_dat *dat,
                         const struct tcs_trace_dat_options *options,
                         const char **ret_why)
{
    size_t link = whole_link(dat);
    uint8_t pointer[8], *section;
    uint64_t n = 0;
    int ret;

    if (options->failed) {
        return fail(ret_why, -ENOMEM, "what is to be added is too large");
    }
    section = build_section(dat, link, options, &n);
    if (!section) {
        return fail(ret_why, -ENOMEM, "out of memory");
    }
    /* Cut first: what is left of a longer torn section must not follow. */
    if (dat->end < dat->size && ftruncate(dat->fd, (off_t)dat->end) < 0) {
        ret = fail(ret_why, -errno, "cannot be cut to its last section");
    } else {
        ret = write_at(dat->fd, dat->end, section, n);
        if (ret < 0) {
            *ret_why = "cannot be written; it is still as it was";
            (void)!ftruncate(dat->fd, (off_t)dat->end);
        }
    }
    free(section);
    /* The link must not reach the disk before what it leads to. */
    if (ret == 0 && fsync(dat->fd) < 0) {
        ret = fail(ret_why, -errno, "cannot be written to disk");
    }
    if (ret == 0) {
        tcs_trace_dat_put(pointer, 8, dat->big_endian, dat->end);
        ret = write_at(dat->fd, dat->links[link].at, pointer, 8);
        if (ret == 0 && fsync(dat->fd) < 0) {
            ret = -errno;
        }
        if (ret < 0) {
            *ret_why = "cannot be linked to what was added";
        }
    }
    return ret;
}
