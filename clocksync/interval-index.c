/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See interval-index.h. Sorted by their beginnings, the intervals that begin
 * early enough are the first so many; a tree of maxima over their ends finds
 * those among them that end late enough.
 */
#include "interval-index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_lo(const void *a, const void *b)
{
    const struct tcs_interval *left = a, *right = b;

    if (left->lo != right->lo) {
        return left->lo < right->lo ? -1 : 1;
    }
    return (left->id > right->id) - (left->id < right->id);
}

int tcs_interval_index_init(struct tcs_interval_index *ret_index,
                            const struct tcs_interval *intervals, size_t n)
{
    struct tcs_interval_index index = { .n = n, .leaves = 1 };

    while (index.leaves < n) {
        index.leaves *= 2;
    }
    index.sorted = reallocarray(NULL, n ? n : 1, sizeof(*index.sorted));
    index.greatest = calloc(2 * index.leaves, sizeof(*index.greatest));
    if (!index.sorted || !index.greatest) {
        tcs_interval_index_clear(&index);
        return -ENOMEM;
    }
    if (n > 0) {
        memcpy(index.sorted, intervals, n * sizeof(*intervals));
        qsort(index.sorted, n, sizeof(*index.sorted), compare_lo);
    }
    for (size_t i = 0; i < n; i++) {
        index.greatest[index.leaves + i] = index.sorted[i].hi;
    }
    for (size_t i = index.leaves - 1; i > 0; i--) {
        uint64_t left = index.greatest[2 * i];
        uint64_t right = index.greatest[2 * i + 1];

        index.greatest[i] = left > right ? left : right;
    }
    *ret_index = index;
    return 0;
}

void tcs_interval_index_clear(struct tcs_interval_index *index)
{
    free(index->sorted);
    free(index->greatest);
    *index = (struct tcs_interval_index){ .n = 0 };
}

/* The first from `first` on that ends at `end` or later; n where none does. */
static size_t find_end(const struct tcs_interval_index *index, size_t first,
                       uint64_t end)
{
    size_t node = index->leaves + first;

    if (first >= index->n) {
        return index->n;
    }
    while (index->greatest[node] < end) {
        while (node & 1) {
            node /= 2; /* a right child: its parent's subtree is done too */
        }
        if (node == 0) {
            return index->n;
        }
        node++;
    }
    while (node < index->leaves) {
        node *= 2;
        node += index->greatest[node] < end;
    }
    /* An unused leaf holds 0, which is late enough for an end of 0. */
    return node - index->leaves < index->n ? node - index->leaves : index->n;
}

bool tcs_interval_index_next(const struct tcs_interval_index *index,
                             uint64_t lo, uint64_t hi, size_t *cursor,
                             size_t *ret_id)
{
    size_t at = find_end(index, *cursor, lo);

    if (at == index->n || index->sorted[at].lo > hi) {
        *cursor = index->n;
        return false;
    }
    *ret_id = index->sorted[at].id;
    *cursor = at + 1;
    return true;
}
