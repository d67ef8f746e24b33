/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's counter over the host's, through all the mappings it had: what each
 * was, from when to when it is sure, and conversions both ways. Pure.
 *
 * What is assumed (docs/error-model.md, "The counter"): a mapping that two
 * successive reads show, with no change reported in between, held in between;
 * and it holds before the first read and after the last one, unless the vCPU
 * was without a mapping then, or may have had another one. Between an epoch's
 * last read and the next one's first nothing is known.
 */
#ifndef CLOCKSYNC_COUNTER_EPOCHS_H
#define CLOCKSYNC_COUNTER_EPOCHS_H

#include "counter-map.h"
#include "interval-index.h"

/*
 * A stretch of host counter in which the mapping is sure: from the end of the
 * first read that showed it to the beginning of the last one. From a single
 * read from > to: then it is sure nowhere, unless it is the first or the last.
 */
struct tcs_counter_epoch {
    struct tcs_host_ticks from;
    struct tcs_host_ticks to;
    /* What all its reads have in common. */
    struct tcs_counter_map map;
    /* The true offset is from lowest_offset to that and offset_room more. */
    uint64_t lowest_offset;
    uint64_t offset_room;
};

/* Owns what it points to. Begins as all zeroes. */
struct tcs_counter_epochs {
    struct tcs_counter_epoch *epochs;
    size_t n;
    size_t capacity;
    bool is_new_at_first; /* the first epoch does not reach back */
    bool is_interrupted;  /* without a mapping after the last one */
    bool is_finished;
    struct tcs_interval_index values; /* of epochs by the counter's values */
};

void tcs_counter_epochs_clear(struct tcs_counter_epochs *epochs);

/*
 * The mapping was read at some moment in read_at, which does not begin before
 * the end of the read before. It starts an epoch where it cannot be the one
 * seen before, where the vCPU was without one since, or `changed`: it is known
 * to have changed meanwhile, be it back to what it was.
 *
 * Mappings known within a bound are one where a single offset is within all
 * their bounds; the epoch's is what they have in common.
 * Returns 0; -EINVAL for a read out of order; -ENOMEM.
 */
int tcs_counter_epochs_read(struct tcs_counter_epochs *epochs,
                            struct tcs_host_span read_at,
                            const struct tcs_counter_map *map, bool changed);

/* The vCPU was seen to have no stable mapping, or not to be there. */
void tcs_counter_epochs_interrupt(struct tcs_counter_epochs *epochs);

/* What the vCPU had before the first read, if there was one, is not known. */
void tcs_counter_epochs_begin_at_first(struct tcs_counter_epochs *epochs);

/* After the last read and before the first question. 0 or -ENOMEM. */
int tcs_counter_epochs_finish(struct tcs_counter_epochs *epochs);

/*
 * What the vCPU's counter may have shown at any moment of `at`, modulo 2^64.
 * Returns 0, or -ENODATA where the mapping is not known throughout `at`.
 */
int tcs_counter_epochs_at(const struct tcs_counter_epochs *epochs,
                          struct tcs_host_span at,
                          struct tcs_guest_ticks *ret_lo,
                          struct tcs_guest_ticks *ret_hi);

/*
 * When the vCPU's counter showed a value. Where it did so in what was recorded
 * that is meant, and not what lies before or after the recording or between
 * two epochs.
 * Returns 0; -ENODATA where that is not known; -ENOTUNIQ where it showed the
 * value in more than one epoch.
 */
int tcs_counter_epochs_when(const struct tcs_counter_epochs *epochs,
                            struct tcs_guest_ticks value,
                            struct tcs_host_span *ret_when);

#endif
