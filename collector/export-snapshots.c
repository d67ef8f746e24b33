/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See export-snapshots.h. Perfetto adds to a stamp what the last snapshot
 * before it says, so a rate is carried by many snapshots.
 */
#include "export-snapshots.h"

#include <inttypes.h>

#include "error.h"
#include "formats/perfetto-snapshot.h"
#include "trace-clock.h"

/* Snapshots for each sample of the log. */
#define STEPS 16

/* The id of the only packet sequence. */
#define SEQUENCE 1

typedef struct {
    const TcsModelClock *clock;
    char *name; /* as the model has it */
    uint32_t id;
    TcsShiftTable *table; /* to the host's clock; NULL for the host's own */
    GArray *shares;       /* of TcsErrorShare */
    gboolean was_taken;   /* in a snapshot before this one: */
    guint64 stamp, host;
} Clock;

typedef struct {
    TcsExport *export;
    const TcsModelClock *counter; /* the host's */
    const TcsModelClock *host;    /* what bounds are told against */
    GArray *clocks;               /* of Clock */
} Snapshots;

static void clock_clear(gpointer data)
{
    Clock *clock = data;

    g_free(clock->name);
    tcs_shift_table_free(clock->table);
    g_clear_pointer(&clock->shares, g_array_unref);
}

static void snapshots_clear(Snapshots *snapshots)
{
    g_clear_pointer(&snapshots->clocks, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snapshots, snapshots_clear)

static gboolean has_clock(const Snapshots *s, const char *name, uint32_t id)
{
    for (guint i = 0; i < s->clocks->len; i++) {
        const Clock *clock = &g_array_index(s->clocks, Clock, i);

        if (g_str_equal(clock->name, name) || clock->id == id) {
            return TRUE;
        }
    }
    return FALSE;
}

static void add_host_clocks(Snapshots *s)
{
    static const char *const names[] = { "boot", "mono", "mono_raw",
                                         "realtime" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strconcat("host:", names[i], NULL);
        const TcsModelClock *found =
            tcs_model_find(s->export->alignment.model, name, NULL);

        if (found) {
            const Clock clock = { .clock = found,
                                  .name = g_steal_pointer(&name),
                                  .id = tcs_perfetto_builtin_id(names[i]) };

            g_array_append_val(s->clocks, clock);
        }
    }
}

/* Consumes `name`. */
static void add_guest_clock(Snapshots *s, char *name)
{
    const TcsAlignment *alignment = &s->export->alignment;
    g_autofree char *full = g_strconcat("trace-clock-sync.", name, NULL);
    g_autoptr(GError) error = NULL;
    Clock clock = { .name = name, .id = tcs_perfetto_global_id(full) };

    if (s->clocks->len == TCS_PERFETTO_CLOCKS_MAX ||
        has_clock(s, name, clock.id)) {
        g_free(name);
        return;
    }
    clock.clock = tcs_model_find(alignment->model, name, NULL);
    if (clock.clock) {
        clock.table = tcs_shift_table_new(alignment->model, alignment->log,
                                          clock.clock, s->host, &error);
    }
    if (clock.table) {
        clock.shares = g_array_new(FALSE, FALSE, sizeof(TcsErrorShare));
        g_array_append_val(s->clocks, clock);
        return;
    }
    if (error) {
        tcs_export_note("warning: %s is left out: %s", name, error->message);
    }
    g_free(name);
}

/* All that show nanoseconds; uptime is too coarse. */
static void add_guest_clocks(Snapshots *s)
{
    const GPtrArray *samples = s->export->alignment.log->samples;
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(samples, i);

        for (guint c = 0; sample->guest && c < sample->guest->clocks->len;
             c++) {
            const TcsGuestClock *clock =
                &g_array_index(sample->guest->clocks, TcsGuestClock, c);
            char *name;

            if (clock->is_counter || clock->is_count ||
                g_str_equal(clock->clock, "uptime")) {
                continue;
            }
            name = g_str_equal(clock->clock, "local")
                       ? g_strdup_printf("guest:local@%" G_GINT64_FORMAT,
                                         clock->cpu)
                       : g_strconcat("guest:", clock->clock, NULL);
            if (g_hash_table_add(seen, g_strdup(name))) {
                add_guest_clock(s, name);
            } else {
                g_free(name);
            }
        }
    }
}

static guint64 read_stamp(guint64 stamp, gconstpointer data)
{
    const Clock *clock = data;

    return stamp + (clock->host - clock->stamp);
}

/* What the snapshot before left for the stamps until this one. */
static void account(Clock *clock, guint64 until)
{
    if (clock->table && clock->was_taken) {
        guint64 error = tcs_line_error_within(clock->table, clock->stamp, until,
                                              read_stamp, clock, 0);

        /* Where the clock is not known it tells nothing. */
        if (error > 0) {
            const TcsErrorShare share = { error, until - clock->stamp };

            g_array_append_val(clock->shares, share);
        }
    }
}

static gboolean value_at(const Snapshots *s, const TcsModelClock *clock,
                         guint64 ticks, guint64 *ret)
{
    guint64 lo, hi;

    if (!tcs_model_convert(s->export->alignment.model, s->counter, clock, ticks,
                           &lo, &hi, NULL)) {
        return FALSE;
    }
    *ret = lo + (hi - lo) / 2;
    return TRUE;
}

/* All clocks that are known at a moment, where the host's is. */
static void take(Snapshots *s, guint64 ticks, GString *out)
{
    struct tcs_perfetto_clock values[TCS_PERFETTO_CLOCKS_MAX];
    uint8_t packet[TCS_PERFETTO_PACKET_MAX];
    guint64 host;
    size_t n = 0;

    if (!value_at(s, s->host, ticks, &host)) {
        return;
    }
    for (guint i = 0; i < s->clocks->len; i++) {
        Clock *clock = &g_array_index(s->clocks, Clock, i);
        guint64 value;

        /* Perfetto gives up a clock that runs backward. */
        if (!value_at(s, clock->clock, ticks, &value) ||
            (clock->was_taken && value < clock->stamp)) {
            continue;
        }
        account(clock, value);
        clock->was_taken = TRUE;
        clock->stamp = value;
        clock->host = host;
        values[n++] = (struct tcs_perfetto_clock){ clock->id, value };
    }
    if (n > 1) {
        size_t size = tcs_perfetto_snapshot(values, n, SEQUENCE, packet);

        g_string_append_len(out, (const char *)packet, (gssize)size);
    }
}

static void take_all(Snapshots *s, GString *out)
{
    const GPtrArray *samples = s->export->alignment.log->samples;

    for (guint i = 0; i < samples->len; i++) {
        const TcsSample *sample = g_ptr_array_index(samples, i);
        const guint64 from = sample->window.lo.ticks;
        guint64 until = sample->window.hi.ticks;

        if (i + 1 < samples->len) {
            const TcsSample *next = g_ptr_array_index(samples, i + 1);

            until = next->window.lo.ticks;
        }
        for (guint step = 0; step < STEPS && from <= until; step++) {
            take(s, from + (until - from) / STEPS * step, out);
        }
    }
}

/* The last snapshot is good for what is left of the recording. */
static void account_last(Clock *clock)
{
    gpointer item[] = { clock->table };
    const GPtrArray only = { .pdata = item, .len = 1 };

    account(clock, MAX(clock->stamp, tcs_line_last_stamp(&only)));
}

/* Of sorted shares. */
static guint64 largest(const GArray *shares)
{
    return shares->len > 0
               ? g_array_index(shares, TcsErrorShare, shares->len - 1).error
               : 0;
}

static gboolean tell(const Snapshots *s, GError **error)
{
    gboolean any = FALSE;

    for (guint i = 0; i < s->clocks->len; i++) {
        Clock *clock = &g_array_index(s->clocks, Clock, i);
        guint64 half;

        if (clock->table && clock->was_taken) {
            account_last(clock);
            half = tcs_line_better_half(clock->shares);
            tcs_export_note("%s is clock %" PRIu32 "; as host %s within "
                            "%" PRIu64 " ns, half of the time within %" PRIu64,
                            clock->name, clock->id,
                            s->export->alignment.host_clock,
                            largest(clock->shares), half);
            any = TRUE;
        }
    }
    if (!any) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_REFUSED,
                    "no clock of the guest can be mapped to host %s",
                    s->export->alignment.host_clock);
    }
    return any;
}

gboolean tcs_export_write_snapshots(TcsExport *export, GString *out,
                                    GError **error)
{
    const TcsAlignment *alignment = &export->alignment;
    const TcsSample *first = g_ptr_array_index(alignment->log->samples, 0);
    g_autofree char *counter =
        g_strconcat("host:", first->qmp_before->counter, NULL);
    g_auto(Snapshots) s = { .export = export };

    if (!tcs_perfetto_builtin_id(alignment->host_clock)) {
        g_set_error(error, TCS_ERROR, TCS_ERROR_USAGE,
                    "Perfetto knows the host's boot, mono, mono_raw and "
                    "realtime, and not %s",
                    alignment->host_clock);
        return FALSE;
    }
    s.counter = tcs_model_find(alignment->model, counter, error);
    s.host = s.counter ? tcs_trace_clock_host(alignment->model, alignment->log,
                                              alignment->host_clock, error)
                       : NULL;
    if (!s.host) {
        return FALSE;
    }
    s.clocks = g_array_new(FALSE, FALSE, sizeof(Clock));
    g_array_set_clear_func(s.clocks, clock_clear);
    add_host_clocks(&s);
    add_guest_clocks(&s);
    take_all(&s, out);
    return tell(&s, error);
}
