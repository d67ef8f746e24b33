/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From when to when a CPU's events are, by its first and its last page alone.
 */
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "trace-dat-private.h"
#include "trace-dat.h"

/* A page of the ring buffer begins with the stamp of its first event. */
static bool read_stamp(const struct tcs_trace_dat *dat, uint64_t at,
                       uint64_t *ret)
{
    uint8_t bytes[8];

    if (pread(dat->fd, bytes, sizeof(bytes), (off_t)at) != sizeof(bytes)) {
        return false;
    }
    *ret = tcs_trace_dat_get(bytes, sizeof(bytes), dat->big_endian);
    return *ret != 0;
}

bool tcs_trace_dat_extent(const struct tcs_trace_dat *dat, size_t i,
                          uint64_t *ret_first, uint64_t *ret_last)
{
    const struct tcs_trace_dat_data *data = &dat->data[i];

    return !dat->is_compressed && dat->page_size >= 16 &&
           data->size >= dat->page_size && data->size % dat->page_size == 0 &&
           read_stamp(dat, data->at, ret_first) &&
           read_stamp(dat, data->at + data->size - dat->page_size, ret_last) &&
           *ret_first <= *ret_last;
}
