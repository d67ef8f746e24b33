/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sync log, the model made of it, and the tables that `apply` makes of that.
 */
#include <string.h>

#include "collector/log.h"
#include "collector/model-impl.h"
#include "collector/shift-table.h"
#include "fuzz.h"

/* Conversions take all pairs of clocks, and tables are costly. */
#define CLOCKS_MAX 12
#define TABLES_MAX 2

static void check_sample(const TcsSample *sample)
{
    g_assert(sample->window.lo.ticks <= sample->window.hi.ticks);
    for (guint i = 0; i < sample->local_clocks->len; i++) {
        const TcsHostClock *clock =
            &g_array_index(sample->local_clocks, TcsHostClock, i);

        g_assert(clock->reading.when.lo.ticks <= clock->reading.when.hi.ticks);
        g_assert(clock->reading.value.lo <= clock->reading.value.hi);
    }
}

static void check_refusal(GError *error)
{
    g_assert(error != NULL);
    g_assert(g_utf8_validate(error->message, -1, NULL));
    g_clear_error(&error);
}

/* From a value to when it was shown, and back. */
static void check_return(const TcsModel *model, const TcsModelClock *counter,
                         const TcsModelClock *clock, guint64 value)
{
    guint64 first, last, lo, hi;

    if (!tcs_model_convert(model, clock, counter, value, &first, &last, NULL)) {
        return;
    }
    g_assert(first <= last);
    for (int i = 0; i < 2; i++) {
        /* At its ends the counter is no moment, but where it ends. */
        if ((i ? last != G_MAXUINT64 : first != 0) &&
            clock->kind == TCS_CLOCK_TIME &&
            tcs_model_convert(model, counter, clock, i ? last : first, &lo, &hi,
                              NULL)) {
            g_assert(lo <= hi);
            /* The clock had not passed the value before it first showed it. */
            g_assert(i ? hi >= value : lo <= value);
        }
    }
}

static void check_pair(const TcsModel *model, const TcsModelClock *counter,
                       const TcsModelClock *from, const TcsModelClock *to,
                       guint64 value)
{
    guint64 lo, hi;
    GError *error = NULL;

    if (!tcs_model_convert(model, from, to, value, &lo, &hi, &error)) {
        check_refusal(error);
        return;
    }
    if (from == to) {
        g_assert(lo == value && hi == value);
    }
    /* A guest's counter may wrap in between. */
    if (to->kind != TCS_CLOCK_GUEST_COUNTER &&
        to->kind != TCS_CLOCK_GUEST_LINES) {
        g_assert(lo <= hi);
    }
    check_return(model, counter, to, lo);
    check_return(model, counter, to, hi);
}

/* Values of a clock that the log has, their neighbours, and the edges. */
static GArray *values_of(const TcsModelClock *clock, const TcsLog *log)
{
    GArray *values = g_array_new(FALSE, FALSE, sizeof(guint64));
    const guint64 edges[] = { 0, 1, G_MAXINT64, G_MAXUINT64 };

    g_array_append_vals(values, edges, G_N_ELEMENTS(edges));
    for (size_t i = 0; i < MIN(clock->timeline.n, 4); i++) {
        const struct tcs_host_reading *reading = &clock->timeline.readings[i];
        const guint64 around[] = { (guint64)reading->value.lo,
                                   (guint64)reading->value.hi,
                                   (guint64)reading->value.lo + 1,
                                   (guint64)reading->value.hi + 100000 };

        g_array_append_vals(values, around, G_N_ELEMENTS(around));
    }
    for (guint i = 0; i < MIN(log->samples->len, 3); i++) {
        const TcsSample *sample = g_ptr_array_index(log->samples, i);
        const guint64 around[] = { sample->window.lo.ticks,
                                   sample->window.hi.ticks };

        g_array_append_vals(values, around, G_N_ELEMENTS(around));
    }
    return values;
}

static void check_model(const TcsModel *model, const TcsLog *log)
{
    const TcsModelClock *counter = NULL;

    for (guint i = 0; i < model->clocks->len; i++) {
        const TcsModelClock *clock = g_ptr_array_index(model->clocks, i);

        if (clock->kind == TCS_CLOCK_HOST_COUNTER) {
            counter = clock;
        }
    }
    g_assert(counter != NULL);
    for (guint i = 0; i < MIN(model->clocks->len, CLOCKS_MAX); i++) {
        const TcsModelClock *from = g_ptr_array_index(model->clocks, i);
        g_autoptr(GArray) values = values_of(from, log);

        for (guint k = 0; k < MIN(model->clocks->len, CLOCKS_MAX); k++) {
            const TcsModelClock *to = g_ptr_array_index(model->clocks, k);

            for (guint v = 0; v < values->len; v++) {
                check_pair(model, counter, from, to,
                           g_array_index(values, guint64, v));
            }
        }
    }
}

static void check_table(const TcsShiftTable *table)
{
    const struct tcs_trace_dat_shift shift = tcs_shift_table_shift(table);
    guint64 shown;

    /* A guide at either end at most. */
    g_assert(table->points->len >= 2 && shift.n >= table->points->len &&
             shift.n <= table->points->len + 2);
    g_assert(table->bounds->len == table->points->len - 1);
    for (size_t i = 0; i < shift.n; i++) {
        g_assert(i == 0 || shift.points[i].time > shift.points[i - 1].time);
        /* A reader gets there without overflow, and is there to a rounding. */
        if (tcs_trace_dat_corrected(shift, shift.points[i].time, &shown) == 0) {
            guint64 meant =
                shift.points[i].time + (guint64)shift.points[i].offset;

            g_assert(shown - meant + 2 <= 4);
        }
    }
    for (guint i = 0; i < table->gaps->len; i++) {
        const TcsShiftGap *gap = &g_array_index(table->gaps, TcsShiftGap, i);

        g_assert(gap->from < gap->to);
    }
    g_assert(tcs_shift_table_bound_for(table, 0.5) <=
             tcs_shift_table_bound_for(table, 1));
}

static void check_tables(TcsModel *model, const TcsLog *log)
{
    guint tables = 0;

    for (guint i = 0; i < model->clocks->len; i++) {
        const TcsModelClock *from = g_ptr_array_index(model->clocks, i);

        for (guint k = 0; k < model->clocks->len && tables < TABLES_MAX; k++) {
            const TcsModelClock *to = g_ptr_array_index(model->clocks, k);
            g_autoptr(TcsShiftTable) table = NULL;
            GError *error = NULL;

            if (!g_str_has_prefix(from->name, "guest:") ||
                !g_str_has_prefix(to->name, "host:") ||
                from->kind == TCS_CLOCK_COUNT || to->kind == TCS_CLOCK_COUNT) {
                continue;
            }
            tables++;
            table = tcs_shift_table_new(model, log, from, to, &error);
            if (table) {
                check_table(table);
            } else {
                check_refusal(error);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(TcsLog) log = NULL;
    g_autoptr(TcsLog) again = NULL;
    g_autoptr(TcsModel) model = NULL;
    g_autoptr(TcsModel) loaded = NULL;
    GError *error = NULL;

    fuzz_file(data, size);
    log = tcs_log_read(fuzz_file_path(), &error);
    if (!log) {
        check_refusal(error);
        return 0;
    }
    for (guint i = 0; i < log->samples->len; i++) {
        check_sample(g_ptr_array_index(log->samples, i));
    }
    model = tcs_model_new(log, &error);
    loaded = tcs_model_load(fuzz_file_path(), &again, NULL);
    g_assert(!model == !loaded);
    if (!model) {
        check_refusal(error);
        return 0;
    }
    /* Sample by sample or at once, it is the same model. */
    g_assert(model->clocks->len == loaded->clocks->len);
    check_model(model, log);
    check_tables(model, log);
    return 0;
}
