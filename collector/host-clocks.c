/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names to instances, and one reading at a time. An instance serves all CPUs.
 */
#include "host-clocks.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "clockread/affinity.h"
#include "clockread/marker-clock.h"
#include "clockread/perf-page.h"
#include "error.h"
#include "host-clock-name.h"

#define REASON_MAX 256
/* Each reading is the tightest of so many. */
#define SAMPLES 3

typedef struct {
    char *name; /* with its CPU */
    int cpu;    /* -1: any */
    gboolean by_page;
    const struct tcs_marker_clock *clock;
    char reason[REASON_MAX]; /* empty: it could be read */
} Entry;

struct TcsHostClocks {
    guint references;
    GPtrArray *names; /* of char *, with NULL at its end */
    GArray *entries;  /* of Entry */
    int page_fd;      /* less than 0: none */
    struct tcs_marker *markers[TCS_MARKER_CLOCKS_MAX]; /* as in the table */
};

static struct tcs_marker **marker_of(TcsHostClocks *clocks,
                                     const struct tcs_marker_clock *clock)
{
    return &clocks->markers[clock - tcs_marker_clocks];
}

static void clear_entry(gpointer data)
{
    g_free(((Entry *)data)->name);
}

/* Whether the kernel gives a formula for the clock at present. */
static gboolean try_page(TcsHostClocks *clocks, const char *base)
{
    struct tcs_clock_sample sample;

    if (!tcs_perf_page_has(base)) {
        return FALSE;
    }
    if (clocks->page_fd < 0) {
        clocks->page_fd = tcs_perf_page_open();
    }
    return clocks->page_fd >= 0 &&
           tcs_perf_page_read(clocks->page_fd, &sample) == 0;
}

static gboolean open_marker(TcsHostClocks *clocks, const Entry *entry,
                            GError **error)
{
    struct tcs_marker **marker = marker_of(clocks, entry->clock);
    char reason[REASON_MAX];

    if (!*marker &&
        tcs_marker_open(entry->clock, marker, reason, sizeof(reason)) < 0) {
        *marker = NULL;
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "the host's clock %s cannot be read: %s", entry->name,
                    reason);
        return FALSE;
    }
    return TRUE;
}

/* One clock of one CPU (-1: it has no CPU); given twice it counts once. */
static gboolean add(TcsHostClocks *clocks, const TcsHostClockName *name,
                    int cpu, gboolean counts, GError **error)
{
    Entry entry = {
        .name = tcs_host_clock_name_format(name->base, cpu),
        .cpu = cpu,
        .clock = tcs_marker_clock_find(name->base),
    };

    for (guint i = 0; i < clocks->names->len; i++) {
        if (g_str_equal(g_ptr_array_index(clocks->names, i), entry.name)) {
            g_free(entry.name);
            return TRUE;
        }
    }
    g_ptr_array_add(clocks->names, g_strdup(entry.name));
    if (name->kind != TCS_HOST_CLOCK_FTRACE &&
        !(name->kind == TCS_HOST_CLOCK_COUNT && counts)) {
        g_free(entry.name);
        return TRUE;
    }
    entry.by_page = try_page(clocks, name->base);
    g_array_append_val(clocks->entries, entry);
    return entry.by_page || open_marker(clocks, &entry, error);
}

static gboolean add_every_cpu(TcsHostClocks *clocks,
                              const TcsHostClockName *name, gboolean counts,
                              GError **error)
{
    struct tcs_cpu_set allowed;
    int ret = tcs_affinity_get(&allowed);

    if (ret < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_INTERNAL,
                    "sched_getaffinity: %s", g_strerror(-ret));
        return FALSE;
    }
    for (int cpu = 0; cpu < TCS_CPU_END; cpu++) {
        if (tcs_cpu_set_has(&allowed, cpu) &&
            !add(clocks, name, cpu, counts, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean check_cpu(const char *text, int cpu, GError **error)
{
    struct tcs_cpu_set saved;

    if (tcs_affinity_get(&saved) < 0 || tcs_affinity_hold(cpu) < 0) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "%s: CPU %d is not online, or this process may not run "
                    "on it",
                    text, cpu);
        return FALSE;
    }
    tcs_affinity_restore(&saved);
    return TRUE;
}

static gboolean add_name(TcsHostClocks *clocks, const char *text,
                         gboolean counts, GError **error)
{
    TcsHostClockName name;

    if (!tcs_host_clock_name_parse(text, &name, error)) {
        return FALSE;
    }
    if (tcs_host_clock_name_is_per_cpu(&name) && name.cpu < 0) {
        return add_every_cpu(clocks, &name, counts, error);
    }
    return (name.cpu < 0 || check_cpu(text, name.cpu, error)) &&
           add(clocks, &name, name.cpu, counts, error);
}

TcsHostClocks *tcs_host_clocks_open(char **names, gboolean counts,
                                    GError **error)
{
    g_autoptr(TcsHostClocks) clocks = g_new0(TcsHostClocks, 1);

    clocks->references = 1;
    clocks->page_fd = -1;
    clocks->names = g_ptr_array_new_with_free_func(g_free);
    clocks->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    g_array_set_clear_func(clocks->entries, clear_entry);
    for (guint i = 0; names && names[i]; i++) {
        if (!add_name(clocks, names[i], counts, error)) {
            return NULL;
        }
    }
    g_ptr_array_add(clocks->names, NULL);
    return g_steal_pointer(&clocks);
}

TcsHostClocks *tcs_host_clocks_ref(TcsHostClocks *clocks)
{
    clocks->references++;
    return clocks;
}

void tcs_host_clocks_unref(TcsHostClocks *clocks)
{
    if (--clocks->references > 0) {
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(clocks->markers); i++) {
        g_clear_pointer(&clocks->markers[i], tcs_marker_close);
    }
    if (clocks->page_fd >= 0) {
        close(clocks->page_fd);
    }
    g_array_unref(clocks->entries);
    g_ptr_array_unref(clocks->names);
    g_free(clocks);
}

const char *const *tcs_host_clocks_names(const TcsHostClocks *clocks)
{
    return clocks && clocks->names->len > 1
               ? (const char *const *)clocks->names->pdata
               : NULL;
}

guint tcs_host_clocks_count(const TcsHostClocks *clocks)
{
    return clocks ? clocks->entries->len : 0;
}

static Entry *entry_at(const TcsHostClocks *clocks, guint i)
{
    return &g_array_index(clocks->entries, Entry, i);
}

const char *tcs_host_clocks_name(const TcsHostClocks *clocks, guint i)
{
    return entry_at(clocks, i)->name;
}

static gboolean read_marker(TcsHostClocks *clocks, Entry *entry,
                            struct tcs_clock_sample *ret_sample)
{
    int cpu = entry->cpu >= 0 ? entry->cpu : sched_getcpu();
    struct tcs_cpu_set saved;
    int ret = tcs_affinity_get(&saved);
    gboolean ok;

    if (ret == 0) {
        ret = tcs_affinity_hold(cpu);
    }
    if (ret < 0) {
        g_snprintf(entry->reason, sizeof(entry->reason),
                   "the thread cannot be held on CPU %d: %s", cpu,
                   g_strerror(-ret));
        return FALSE;
    }
    ok = tcs_marker_read(*marker_of(clocks, entry->clock), cpu, SAMPLES,
                         ret_sample, entry->reason, sizeof(entry->reason)) == 0;
    tcs_affinity_restore(&saved);
    return ok;
}

static gboolean read_page(TcsHostClocks *clocks, Entry *entry,
                          struct tcs_clock_sample *ret_sample)
{
    int ret = tcs_perf_page_read(clocks->page_fd, ret_sample);

    if (ret < 0) {
        g_snprintf(entry->reason, sizeof(entry->reason),
                   "the kernel's perf page has no formula for it any more: %s",
                   g_strerror(-ret));
    }
    return ret == 0;
}

gboolean tcs_host_clocks_read(TcsHostClocks *clocks, guint i,
                              struct tcs_clock_sample *ret_sample)
{
    Entry *entry = entry_at(clocks, i);
    gboolean ok = entry->by_page ? read_page(clocks, entry, ret_sample)
                                 : read_marker(clocks, entry, ret_sample);

    if (ok) {
        entry->reason[0] = '\0';
    }
    return ok;
}

static const Entry *find_entry(const TcsHostClocks *clocks, const char *name)
{
    for (guint i = 0; i < tcs_host_clocks_count(clocks); i++) {
        const Entry *entry = entry_at(clocks, i);

        if (g_str_equal(entry->name, name)) {
            return entry;
        }
    }
    return NULL;
}

gboolean tcs_host_clocks_has(const TcsHostClocks *clocks, const char *name)
{
    return find_entry(clocks, name) != NULL;
}

const char *tcs_host_clocks_reason(const TcsHostClocks *clocks,
                                   const char *name)
{
    const Entry *entry = find_entry(clocks, name);

    return entry && entry->reason[0] ? entry->reason : NULL;
}
