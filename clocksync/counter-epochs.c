/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See counter-epochs.h.
 */
#include "counter-epochs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* No recording is that long: half a century. */
#define FAR ((uint64_t)1 << 62)

void tcs_counter_epochs_clear(struct tcs_counter_epochs *epochs)
{
    free(epochs->epochs);
    tcs_interval_index_clear(&epochs->values);
    *epochs = (struct tcs_counter_epochs){ .n = 0 };
}

static struct tcs_counter_epoch
epoch_from_read(struct tcs_host_span read_at, const struct tcs_counter_map *map)
{
    return (struct tcs_counter_epoch){
        .from = read_at.hi,
        .to = read_at.lo,
        .map = *map,
        .lowest_offset = (uint64_t)map->offset - map->offset_bound,
        .offset_room = 2 * map->offset_bound,
    };
}

/*
 * Intersects the offsets of `epoch` with those of a later read; false where
 * they exclude each other. Offsets are modulo 2^64, but no bound reaches 2^62.
 */
static bool take_common(struct tcs_counter_epoch *epoch,
                        const struct tcs_counter_epoch *read)
{
    /* From one's lowest to the other's, either of which may be below. */
    uint64_t ahead = read->lowest_offset - epoch->lowest_offset;
    bool is_above = ahead <= INT64_MAX;
    uint64_t skip = is_above ? ahead : 0, cut = is_above ? 0 : -ahead;

    if (epoch->map.multiplier != read->map.multiplier ||
        epoch->map.shift != read->map.shift || skip > epoch->offset_room ||
        cut > read->offset_room) {
        return false;
    }
    uint64_t mine = epoch->offset_room - skip, other = read->offset_room - cut;

    epoch->lowest_offset += skip;
    epoch->offset_room = mine < other ? mine : other;
    /* Where the room is odd the bound reaches one tick further, downward. */
    epoch->map.offset_bound = epoch->offset_room / 2 + epoch->offset_room % 2;
    epoch->map.offset =
        (int64_t)(epoch->lowest_offset + epoch->offset_room / 2);
    return true;
}

int tcs_counter_epochs_read(struct tcs_counter_epochs *epochs,
                            struct tcs_host_span read_at,
                            const struct tcs_counter_map *map, bool changed)
{
    struct tcs_counter_epoch read = epoch_from_read(read_at, map);
    struct tcs_counter_epoch *last =
        epochs->n ? &epochs->epochs[epochs->n - 1] : NULL;

    if (read_at.lo.ticks > read_at.hi.ticks ||
        (last && (read_at.lo.ticks < last->from.ticks ||
                  read_at.lo.ticks < last->to.ticks))) {
        return -EINVAL;
    }
    epochs->is_finished = false;
    if (last && !epochs->is_interrupted && !changed &&
        take_common(last, &read)) {
        last->to = read_at.lo;
        return 0;
    }
    if (epochs->n == epochs->capacity) {
        size_t capacity = epochs->capacity ? 2 * epochs->capacity : 8;
        void *grown =
            reallocarray(epochs->epochs, capacity, sizeof(epochs->epochs[0]));

        if (!grown) {
            return -ENOMEM;
        }
        epochs->epochs = grown;
        epochs->capacity = capacity;
    }
    if (!last) {
        epochs->is_new_at_first = epochs->is_interrupted;
    }
    epochs->is_interrupted = false;
    epochs->epochs[epochs->n++] = read;
    return 0;
}

void tcs_counter_epochs_interrupt(struct tcs_counter_epochs *epochs)
{
    epochs->is_interrupted = true;
}

void tcs_counter_epochs_begin_at_first(struct tcs_counter_epochs *epochs)
{
    if (epochs->n > 0) {
        epochs->is_new_at_first = true;
        epochs->is_finished = false;
    }
}

static bool is_first(const struct tcs_counter_epochs *epochs, size_t i)
{
    return i == 0 && !epochs->is_new_at_first;
}

static bool is_last(const struct tcs_counter_epochs *epochs, size_t i)
{
    return i + 1 == epochs->n && !epochs->is_interrupted;
}

/*
 * The values the counter has in an epoch that is bounded on both sides. They
 * may pass 2^64, and then are two intervals. Returns how many.
 */
static size_t values_of(const struct tcs_counter_epoch *epoch, size_t id,
                        struct tcs_interval ret[2])
{
    uint64_t bound = epoch->map.offset_bound;
    uint64_t lo = tcs_counter_map_to_guest(&epoch->map, epoch->from).ticks;
    uint64_t hi = tcs_counter_map_to_guest(&epoch->map, epoch->to).ticks;
    tcs_u128 advance = (((tcs_u128)epoch->to.ticks * epoch->map.multiplier) >>
                        epoch->map.shift) -
                       (((tcs_u128)epoch->from.ticks * epoch->map.multiplier) >>
                        epoch->map.shift);

    lo -= bound;
    hi += bound;
    if (advance + 2 * (tcs_u128)bound >= UINT64_MAX) {
        ret[0] = (struct tcs_interval){ 0, UINT64_MAX, id };
        return 1;
    }
    if (lo <= hi) {
        ret[0] = (struct tcs_interval){ lo, hi, id };
        return 1;
    }
    ret[0] = (struct tcs_interval){ 0, hi, id };
    ret[1] = (struct tcs_interval){ lo, UINT64_MAX, id };
    return 2;
}

int tcs_counter_epochs_finish(struct tcs_counter_epochs *epochs)
{
    struct tcs_interval *values =
        reallocarray(NULL, 2 * epochs->n + 1, sizeof(*values));
    size_t n = 0;
    int ret = -ENOMEM;

    if (values) {
        for (size_t i = 0; i < epochs->n; i++) {
            const struct tcs_counter_epoch *epoch = &epochs->epochs[i];

            /* The others are asked one by one, or are sure nowhere. */
            if (!is_first(epochs, i) && !is_last(epochs, i) &&
                epoch->from.ticks <= epoch->to.ticks) {
                n += values_of(epoch, i, &values[n]);
            }
        }
        tcs_interval_index_clear(&epochs->values);
        ret = tcs_interval_index_init(&epochs->values, values, n);
        epochs->is_finished = ret == 0;
    }
    free(values);
    return ret;
}

/* Whether epoch i holds throughout `at`. */
static bool holds(const struct tcs_counter_epochs *epochs, size_t i,
                  struct tcs_host_span at)
{
    const struct tcs_counter_epoch *epoch = &epochs->epochs[i];

    return (is_first(epochs, i) || at.lo.ticks >= epoch->from.ticks) &&
           (is_last(epochs, i) || at.hi.ticks <= epoch->to.ticks);
}

int tcs_counter_epochs_at(const struct tcs_counter_epochs *epochs,
                          struct tcs_host_span at,
                          struct tcs_guest_ticks *ret_lo,
                          struct tcs_guest_ticks *ret_hi)
{
    size_t lo = 0, hi = epochs->n;

    assert(epochs->is_finished);
    if (epochs->n == 0) {
        return -ENODATA;
    }
    /* The last one that is sure at at.lo or before, else the first. */
    while (hi - lo > 1) {
        size_t middle = lo + (hi - lo) / 2;

        if (epochs->epochs[middle].from.ticks <= at.lo.ticks) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    if (!holds(epochs, lo, at)) {
        return -ENODATA;
    }
    const struct tcs_counter_map *map = &epochs->epochs[lo].map;

    ret_lo->ticks =
        tcs_counter_map_to_guest(map, at.lo).ticks - map->offset_bound;
    ret_hi->ticks =
        tcs_counter_map_to_guest(map, at.hi).ticks + map->offset_bound;
    return 0;
}

/* Where a value was found so far, in the recording and outside of it. */
struct found {
    unsigned int inside, outside;
    bool is_sure;
    struct tcs_host_span when;
};

static void look(const struct tcs_counter_epochs *epochs, size_t i,
                 struct tcs_guest_ticks value, struct found *found)
{
    const struct tcs_counter_epoch *epoch = &epochs->epochs[i];
    bool is_single = epoch->from.ticks > epoch->to.ticks;
    struct tcs_host_ticks first = is_single ? epoch->to : epoch->from;
    struct tcs_host_ticks last = is_single ? epoch->from : epoch->to;
    struct tcs_host_ticks middle = {
        first.ticks + (last.ticks - first.ticks) / 2,
    };
    struct tcs_host_span when;

    if (tcs_counter_map_to_host(&epoch->map, value, value, middle, &when) < 0 ||
        (when.hi.ticks < first.ticks && !is_first(epochs, i)) ||
        (when.lo.ticks > last.ticks && !is_last(epochs, i))) {
        return;
    }
    /* Counters turn over; what that makes of a value is not meant. */
    if (when.hi.ticks < first.ticks
            ? first.ticks - when.hi.ticks >= FAR
            : when.lo.ticks > last.ticks && when.lo.ticks - last.ticks >= FAR) {
        return;
    }
    bool is_inside =
        when.hi.ticks >= first.ticks && when.lo.ticks <= last.ticks;

    if (is_inside || found->inside == 0) {
        found->when = when;
        found->is_sure = holds(epochs, i, when);
    }
    found->inside += is_inside;
    found->outside += !is_inside;
}

int tcs_counter_epochs_when(const struct tcs_counter_epochs *epochs,
                            struct tcs_guest_ticks value,
                            struct tcs_host_span *ret_when)
{
    struct found found = { .inside = 0 };
    size_t cursor = 0, i;

    assert(epochs->is_finished);
    if (epochs->n == 0) {
        return -ENODATA;
    }
    if (is_first(epochs, 0)) {
        look(epochs, 0, value, &found);
    }
    if (is_last(epochs, epochs->n - 1) &&
        !(epochs->n == 1 && is_first(epochs, 0))) {
        look(epochs, epochs->n - 1, value, &found);
    }
    while (found.inside < 2 &&
           tcs_interval_index_next(&epochs->values, value.ticks, value.ticks,
                                   &cursor, &i)) {
        look(epochs, i, value, &found);
    }
    if (found.inside > 1 || (found.inside == 0 && found.outside > 1)) {
        return -ENOTUNIQ;
    }
    if (!found.is_sure) {
        return -ENODATA;
    }
    *ret_when = found.when;
    return 0;
}
