/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change detection between queries. Pure bookkeeping.
 */
#include "generation.h"

#include <glib.h>

static GHashTable *last_maps; /* cpu-index to struct tcs_counter_map */
static int64_t generation;

static bool is_same(const struct tcs_counter_map *a,
                    const struct tcs_counter_map *b)
{
    uint64_t apart = (uint64_t)a->offset - (uint64_t)b->offset;
    uint64_t distance = apart > INT64_MAX ? -apart : apart;

    return a->multiplier == b->multiplier && a->shift == b->shift &&
           distance <= a->offset_bound + b->offset_bound;
}

int64_t tcs_generation_update(const struct tcs_vcpu_report *reports, size_t n)
{
    if (!last_maps) {
        last_maps = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    for (size_t i = 0; i < n; i++) {
        gpointer key = GINT_TO_POINTER(reports[i].cpu_index);
        struct tcs_counter_map *last = g_hash_table_lookup(last_maps, key);

        if (!reports[i].has_map || (last && is_same(last, &reports[i].map))) {
            continue;
        }
        g_hash_table_replace(last_maps, key,
                             g_memdup2(&reports[i].map, sizeof(*last)));
        generation++;
    }
    return generation;
}
