/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See epochs.h.
 */
#include "epochs.h"

#include <glib.h>

/* What was seen last of a vCPU. */
struct last_seen {
    int thread_id; /* tells a vCPU from an earlier one of the same index */
    bool stable;
    struct tcs_counter_map map;
};

static GMutex lock;           /* guards everything below */
static GHashTable *last_seen; /* cpu-index to struct last_seen */
static int64_t generation;
static struct tcs_epoch ring[TCS_EPOCHS_MAX];
static void (*on_change)(int64_t generation, int cpu_index, const char *cause);
static size_t begun; /* epochs ever; the ring holds the last of them */

static void note_change(const struct tcs_vcpu_report *vcpu, bool stable,
                        const char *cause)
{
    generation++;
    if (stable) {
        ring[begun++ % TCS_EPOCHS_MAX] = (struct tcs_epoch){
            .generation = generation,
            .cpu_index = vcpu->cpu_index,
            .host_counter = vcpu->counter_after,
            .map = vcpu->map,
            .cause = cause,
        };
    }
}

void tcs_epochs_note(const struct tcs_vcpu_report *vcpu, bool stable,
                     const char *cause)
{
    gpointer key = GINT_TO_POINTER(vcpu->cpu_index);
    const struct last_seen now = { vcpu->thread_id, stable, vcpu->map };
    const struct last_seen *last;
    int64_t changed = 0;
    bool is_new;

    if (!vcpu->has_map) {
        return;
    }
    g_mutex_lock(&lock);
    if (!last_seen) {
        last_seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    }
    last = g_hash_table_lookup(last_seen, key);
    is_new = !last || last->thread_id != vcpu->thread_id;
    if (is_new) {
        cause = vcpu->hotplugged ? "hotplug" : "first seen";
    }
    /* One that moved may have come to rest anywhere: its end is a change. */
    if (is_new || (stable && !last->stable) ||
        !tcs_counter_map_may_be_same(&last->map, &vcpu->map)) {
        note_change(vcpu, stable, cause);
        changed = generation;
        g_hash_table_replace(last_seen, key, g_memdup2(&now, sizeof(now)));
    }
    g_mutex_unlock(&lock);
    if (changed && on_change) {
        on_change(changed, vcpu->cpu_index, cause);
    }
}

void tcs_epochs_on_change(void (*changed)(int64_t generation, int cpu_index,
                                          const char *cause))
{
    on_change = changed;
}

int64_t tcs_epochs_generation(void)
{
    int64_t now;

    g_mutex_lock(&lock);
    now = generation;
    g_mutex_unlock(&lock);
    return now;
}

size_t tcs_epochs_copy(struct tcs_epoch **ret_epochs)
{
    size_t n, first;

    g_mutex_lock(&lock);
    n = begun < TCS_EPOCHS_MAX ? begun : TCS_EPOCHS_MAX;
    first = begun - n;
    *ret_epochs = g_new(struct tcs_epoch, n);
    for (size_t i = 0; i < n; i++) {
        (*ret_epochs)[i] = ring[(first + i) % TCS_EPOCHS_MAX];
    }
    g_mutex_unlock(&lock);
    return n;
}
