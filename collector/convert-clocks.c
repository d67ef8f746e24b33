/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See convert-clocks.h.
 */
#include "convert-clocks.h"

#include <string.h>

#include "error.h"
#include "guest-vcpu.h"

/* No kernel has more; a line may say anything. */
#define CPUS_MAX 65536

typedef struct {
    const char *name;
    const TcsModelClock *clock; /* NULL: each CPU has one */
    gboolean is_vcpu;           /* "@" is followed by a vCPU's number */
    gboolean is_time;
} Side;

/* What a CPU's lines are converted by. */
typedef struct {
    TcsModelCursor *cursor; /* NULL: `reason` */
    char *reason;
} Entry;

struct TcsConvertClocks {
    TcsModel *model;
    TcsLog *log; /* NULL unless vCPUs are to be found */
    Side from, to;
    Entry *any;         /* where lines need no CPU, or have none */
    GPtrArray *entries; /* of Entry or NULL, by CPU */
};

static void entry_free(gpointer data)
{
    Entry *entry = data;

    if (entry) {
        tcs_model_cursor_free(entry->cursor);
        g_free(entry->reason);
        g_free(entry);
    }
}

static gboolean side_init(Side *side, TcsModel *model, const char *name,
                          GError **error)
{
    g_autoptr(GError) local = NULL;

    side->name = name;
    side->clock = tcs_model_find(model, name, &local);
    if (side->clock) {
        side->is_time = tcs_model_clock_is_time(side->clock);
        return TRUE;
    }
    if (!tcs_model_has_per_cpu(model, name)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    side->is_time = g_str_has_suffix(name, ":local");
    side->is_vcpu = !side->is_time && g_str_has_prefix(name, "guest:");
    return TRUE;
}

/* A line names a CPU of the machine that it comes from. */
static gboolean check_sides(const Side *from, const Side *to, GError **error)
{
    const char *colon = strchr(from->name, ':');

    if (!to->clock &&
        strncmp(from->name, to->name, (gsize)(colon + 1 - from->name)) != 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "%s is a clock of its own on each CPU, and a line with a "
                    "time of %s does not say on which; name one, for example "
                    "--to %s@0",
                    to->name, from->name, to->name);
        return FALSE;
    }
    return TRUE;
}

TcsConvertClocks *tcs_convert_clocks_new(TcsModel *model, const char *path,
                                         const char *from, const char *to,
                                         GError **error)
{
    g_autoptr(TcsConvertClocks) clocks = g_new0(TcsConvertClocks, 1);

    clocks->model = model;
    clocks->entries = g_ptr_array_new_with_free_func(entry_free);
    if (!side_init(&clocks->from, model, from, error) ||
        !side_init(&clocks->to, model, to, error) ||
        !check_sides(&clocks->from, &clocks->to, error)) {
        return NULL;
    }
    if (clocks->from.is_vcpu || clocks->to.is_vcpu) {
        clocks->log = tcs_log_read(path, error);
        if (!clocks->log) {
            return NULL;
        }
    }
    return g_steal_pointer(&clocks);
}

void tcs_convert_clocks_free(TcsConvertClocks *clocks)
{
    if (clocks) {
        entry_free(clocks->any);
        g_ptr_array_unref(clocks->entries);
        g_clear_pointer(&clocks->log, tcs_log_free);
        g_free(clocks);
    }
}

gboolean tcs_convert_clocks_from_is_time(const TcsConvertClocks *clocks)
{
    return clocks->from.is_time;
}

gboolean tcs_convert_clocks_to_is_time(const TcsConvertClocks *clocks)
{
    return clocks->to.is_time;
}

static const TcsModelClock *clock_of(const TcsConvertClocks *clocks,
                                     const Side *side, gint64 cpu,
                                     GError **error)
{
    g_autofree char *name = NULL;
    /* By another method than the hypervisor's the log has no vCPUs. */
    const TcsVcpu *vcpu = !side->clock && side->is_vcpu && cpu >= 0
                              ? tcs_guest_vcpu(clocks->log, cpu, NULL)
                              : NULL;

    if (side->clock) {
        return side->clock;
    }
    if (cpu < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "%s is a clock of its own on each CPU, and the line names "
                    "none; say which one is meant, for example %s@0",
                    side->name, side->name);
        return NULL;
    }
    name = g_strdup_printf("%s@%" G_GINT64_FORMAT, side->name,
                           vcpu ? vcpu->cpu_index : cpu);
    return tcs_model_find(clocks->model, name, error);
}

static Entry *entry_new(const TcsConvertClocks *clocks, gint64 cpu)
{
    g_autoptr(GError) error = NULL;
    const TcsModelClock *from = clock_of(clocks, &clocks->from, cpu, &error);
    const TcsModelClock *to =
        from ? clock_of(clocks, &clocks->to, cpu, &error) : NULL;
    Entry *entry = g_new0(Entry, 1);

    if (to) {
        entry->cursor = tcs_model_cursor_new(from, to);
    } else {
        entry->reason = g_strdup(error->message);
    }
    return entry;
}

TcsModelCursor *tcs_convert_clocks_find(TcsConvertClocks *clocks, gint64 cpu,
                                        const char **ret_reason)
{
    Entry **entry = &clocks->any;

    if ((!clocks->from.clock || !clocks->to.clock) && cpu >= 0) {
        if (cpu >= CPUS_MAX) {
            *ret_reason = "no machine has a CPU of that number";
            return NULL;
        }
        if ((guint)cpu >= clocks->entries->len) {
            g_ptr_array_set_size(clocks->entries, (gint)cpu + 1);
        }
        entry = (Entry **)&g_ptr_array_index(clocks->entries, (guint)cpu);
    }
    if (!*entry) {
        *entry = entry_new(clocks, cpu);
    }
    *ret_reason = (*entry)->reason;
    return (*entry)->cursor;
}
