/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trace.dat: what its options say, and adding options to it. What `apply`
 * promises is held to for every file that it accepts: nothing but the end and
 * one link changes, the result is read back with what was added, and a writer
 * that is killed on the way leaves the old file.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/trace-dat-private.h"
#include "formats/trace-dat.h"
#include "fuzz.h"

#define PEER_ID 0x1122334455667788

static void check_read(const struct tcs_trace_dat *dat, size_t size)
{
    g_assert(dat->size == size && dat->end <= size && dat->used <= dat->end);
    g_assert(dat->has_buffer && dat->n_cpus <= TCS_TRACE_DAT_CPUS_MAX);
    g_assert(memchr(dat->clock, 0, sizeof(dat->clock)));
    g_assert(dat->n_links >= 2 && dat->n_links <= TCS_TRACE_DAT_LINK_MAX);
    g_assert(dat->links[dat->n_links - 1].section == 0);
    for (size_t i = 0; i < dat->n_links; i++) {
        g_assert(dat->links[i].at + 8 <= dat->end);
    }
    for (size_t i = 0; i + 1 < dat->n_links; i++) {
        g_assert(dat->links[i].section < dat->end);
    }
    for (size_t i = 0; i < dat->n_cpus; i++) {
        uint64_t first, last;

        g_assert(!tcs_trace_dat_extent(dat, i, &first, &last) || first <= last);
    }
}

/* Whether two readings of a file say the same, where nothing was added. */
static void check_same(const struct tcs_trace_dat *a,
                       const struct tcs_trace_dat *b)
{
    g_assert(a->end == b->end && a->n_links == b->n_links);
    g_assert(strcmp(a->clock, b->clock) == 0 && a->n_cpus == b->n_cpus);
    g_assert(a->has_time_shift == b->has_time_shift);
    g_assert(a->trace_id == b->trace_id && a->ts_offset_ns == b->ts_offset_ns);
    g_assert(a->tsc_mult == b->tsc_mult && a->tsc_shift == b->tsc_shift);
}

/* What to add, and how much of it, is the file's own choice. */
static void make_options(struct tcs_trace_dat_options *options,
                         const struct tcs_trace_dat *dat, uint32_t choice)
{
    const struct tcs_trace_dat_point points[] = {
        { 1000, -5 }, { 2000, 7 }, { G_MAXINT64, G_MININT64 / 2 }
    };
    const struct tcs_trace_dat_vcpu vcpus[] = { { 0, 100 }, { 1, 0 } };
    struct tcs_trace_dat_shift *shifts =
        g_new0(struct tcs_trace_dat_shift, dat->n_cpus + 1);

    for (size_t i = 0; i < dat->n_cpus; i++) {
        shifts[i] =
            (struct tcs_trace_dat_shift){ points, 1 + (choice + i) % 3 };
    }
    tcs_trace_dat_options_init(options, dat);
    tcs_trace_dat_add_trace_id(options, PEER_ID);
    if (choice & 4) {
        tcs_trace_dat_add_guest(options, "vm", 5, vcpus, 2);
    }
    if (choice & 8) {
        tcs_trace_dat_add_tsc2nsec(options, 3, 4);
    }
    tcs_trace_dat_add_time_shift(options, 1, shifts, dat->n_cpus);
    g_free(shifts);
}

static uint8_t *read_all(int fd, size_t *ret_size)
{
    struct stat status;
    uint8_t *bytes;

    g_assert(fstat(fd, &status) == 0);
    *ret_size = (size_t)status.st_size;
    bytes = g_malloc(*ret_size + 1);
    g_assert(pread(fd, bytes, *ret_size, 0) == (ssize_t)*ret_size);
    return bytes;
}

/* The link that was changed: it leads to the old end now. */
static size_t changed_link(const struct tcs_trace_dat *dat,
                           const uint8_t *bytes)
{
    size_t found = dat->n_links;

    for (size_t i = 0; i < dat->n_links; i++) {
        if (tcs_trace_dat_get(bytes + dat->links[i].at, 8, dat->big_endian) ==
            dat->end) {
            found = i;
        }
    }
    g_assert(found < dat->n_links);
    return found;
}

static void check_bytes(const struct tcs_trace_dat *dat, const uint8_t *before,
                        const uint8_t *after, size_t after_size)
{
    size_t at = dat->links[changed_link(dat, after)].at;

    g_assert(after_size > dat->end);
    g_assert(at + 8 <= dat->end);
    g_assert(at % 512 <= 504 || at == dat->links[0].at);
    g_assert(memcmp(before, after, at) == 0);
    g_assert(memcmp(before + at + 8, after + at + 8, dat->end - at - 8) == 0);
}

/* A writer that was killed before the link, or amid the section. */
static void check_killed(const struct tcs_trace_dat *dat, const uint8_t *before,
                         const uint8_t *after, size_t after_size,
                         uint32_t choice)
{
    size_t added = after_size - dat->end;
    size_t cuts[] = { 0, 1, choice % added, added - 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(cuts); i++) {
        g_autofree uint8_t *torn = g_malloc(after_size);
        struct tcs_trace_dat again;
        const char *why = NULL;
        size_t n = dat->end + cuts[i];

        memcpy(torn, before, dat->end);
        memcpy(torn + dat->end, after + dat->end, added);
        g_assert(tcs_trace_dat_read(&again, fuzz_file(torn, n), &why) == 0);
        check_same(dat, &again);
        tcs_trace_dat_clear(&again);
    }
}

static void check_append(struct tcs_trace_dat *dat, const uint8_t *before,
                         uint32_t choice)
{
    struct tcs_trace_dat_options options;
    struct tcs_trace_dat again;
    const char *why = NULL;
    size_t size;
    int ret;

    make_options(&options, dat, choice);
    ret = tcs_trace_dat_append(dat, &options, &why);
    tcs_trace_dat_options_clear(&options);
    if (ret < 0) {
        g_autofree uint8_t *after = read_all(dat->fd, &size);

        g_assert(why != NULL && size >= dat->end);
        g_assert(memcmp(before, after, dat->end) == 0);
    } else {
        g_autofree uint8_t *after = read_all(dat->fd, &size);

        check_bytes(dat, before, after, size);
        ret = tcs_trace_dat_read(&again, dat->fd, &why);
        /* One more section may be one too many. */
        if (ret < 0) {
            g_assert(dat->n_links == TCS_TRACE_DAT_LINK_MAX);
        } else {
            check_read(&again, size);
            g_assert(again.end == size && again.has_time_shift);
            g_assert(again.has_trace_id && again.trace_id == PEER_ID);
            g_assert(again.n_cpus == dat->n_cpus);
            g_assert(again.ts_offset_ns == dat->ts_offset_ns);
            tcs_trace_dat_clear(&again);
        }
        check_killed(dat, before, after, size, choice);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tcs_trace_dat dat;
    const char *why = NULL;
    uint32_t choice = 2166136261u;
    int ret = tcs_trace_dat_read(&dat, fuzz_file(data, size), &why);

    if (ret < 0) {
        g_assert(why != NULL);
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        choice = (choice ^ data[i]) * 16777619u;
    }
    check_read(&dat, size);
    check_append(&dat, data, choice);
    tcs_trace_dat_clear(&dat);
    return 0;
}
