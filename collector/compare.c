/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See compare.h.
 */
#include "compare.h"

#include "place.h"

/* Without wrapping: beyond int64_t nobody's bound would admit it. */
static gboolean is_within(gint64 difference, guint64 a, guint64 b)
{
    guint64 distance =
        difference < 0 ? -(guint64)difference : (guint64)difference;

    return a > G_MAXUINT64 - b || distance <= a + b;
}

static const TcsComparisonRow *find_truth(const TcsComparison *comparison,
                                          const TcsOffset *offset)
{
    for (guint i = 0; i < comparison->rows->len; i++) {
        const TcsComparisonRow *row =
            &g_array_index(comparison->rows, TcsComparisonRow, i);

        if (g_str_equal(row->offset.method, tcs_method_hypervisor.name) &&
            g_str_equal(row->offset.guest, offset->guest) &&
            g_str_equal(row->offset.host, offset->host) &&
            row->offset.guest_cpu == offset->guest_cpu) {
            return row;
        }
    }
    return NULL;
}

/*
 * A counter's offset changes with time where it is scaled: the mapping is asked
 * for the row's own moment.
 */
static void judge_counter(const TcsSample *sample, TcsComparisonRow *row)
{
    const TcsVcpu *vcpu = tcs_place_vcpu(sample, row->offset.guest_cpu, NULL);

    row->has_truth = vcpu != NULL;
    if (vcpu) {
        struct tcs_host_ticks at = { row->offset.host_value };

        row->difference =
            (gint64)(row->offset.guest_value -
                     tcs_counter_map_to_guest(&vcpu->map, at).ticks);
        row->holds = is_within(row->difference, row->offset.bound,
                               vcpu->map.offset_bound);
    }
}

static void judge_clock(const TcsComparison *comparison, TcsComparisonRow *row)
{
    const TcsComparisonRow *truth = find_truth(comparison, &row->offset);

    row->has_truth = truth != NULL;
    if (truth) {
        row->difference = row->offset.offset - truth->offset.offset;
        row->holds =
            is_within(row->difference, row->offset.bound, truth->offset.bound);
    }
}

/* Only of CPUs the guest has read on: others no method but one can tell. */
static gboolean is_wanted(const TcsSample *sample, const TcsOffset *offset,
                          char **clocks)
{
    const GArray *read = sample->guest->clocks;

    for (guint i = 0; i < read->len; i++) {
        if (g_array_index(read, TcsGuestClock, i).cpu == offset->guest_cpu) {
            return g_strv_contains((const char *const *)clocks, offset->guest);
        }
    }
    return FALSE;
}

/* A method's rows; what is wrong with it in *ret_reason. */
static void add_rows(TcsComparison *comparison, TcsSample *sample,
                     const TcsOffsets *offsets, char **clocks,
                     char **ret_reason)
{
    for (guint i = 0; i < offsets->offsets->len; i++) {
        TcsComparisonRow row = {
            .offset = g_array_index(offsets->offsets, TcsOffset, i),
        };

        if (!is_wanted(sample, &row.offset, clocks)) {
            continue;
        }
        if (sample->placement && row.offset.is_ticks) {
            judge_counter(sample, &row);
        } else if (sample->placement) {
            judge_clock(comparison, &row);
        }
        g_array_append_val(comparison->rows, row);
    }
    for (guint i = 0; i < offsets->refusals->len; i++) {
        const TcsRefusal *refusal =
            &g_array_index(offsets->refusals, TcsRefusal, i);

        comparison->contradictions +=
            refusal->kind == TCS_REFUSAL_CONTRADICTION;
        if (!*ret_reason &&
            (refusal->kind == TCS_REFUSAL_CONTRADICTION ||
             g_strv_contains((const char *const *)clocks, refusal->guest))) {
            *ret_reason =
                g_strdup_printf("%s: %s", refusal->guest, refusal->reason);
        }
    }
}

static gint64 duration_us(const TcsSample *sample)
{
    return sample->placement ? sample->placement->duration_us
                             : sample->query_us;
}

static void add_method(TcsComparison *comparison, TcsSample *sample,
                       const TcsMethod *method, char **clocks,
                       guint host_slew_ppm)
{
    TcsComparedMethod compared = { .method = method };
    g_autoptr(GPtrArray) samples = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    if (tcs_sample_use(sample, method, &error)) {
        g_autoptr(TcsOffsets) offsets = NULL;

        g_ptr_array_add(samples, sample);
        offsets = tcs_offsets_new(samples, host_slew_ppm, NULL);
        add_rows(comparison, sample, offsets, clocks, &compared.reason);
        compared.took_us = duration_us(sample);
    } else {
        compared.reason = g_strdup(error->message);
    }
    g_array_append_val(comparison->methods, compared);
}

static int order(gconstpointer a, gconstpointer b, gpointer data)
{
    char **clocks = data;
    const TcsOffset *left = &((const TcsComparisonRow *)a)->offset;
    const TcsOffset *right = &((const TcsComparisonRow *)b)->offset;

    for (; !g_str_equal(left->guest, right->guest); clocks++) {
        if (g_str_equal(*clocks, left->guest)) {
            return -1;
        }
        if (g_str_equal(*clocks, right->guest)) {
            return 1;
        }
    }
    if (left->guest_cpu != right->guest_cpu) {
        return left->guest_cpu < right->guest_cpu ? -1 : 1;
    }
    return (left->bound > right->bound) - (left->bound < right->bound);
}

static void clear_method(gpointer data)
{
    g_free(((TcsComparedMethod *)data)->reason);
}

TcsComparison *tcs_comparison_new(TcsSample *sample, char **clocks,
                                  guint host_slew_ppm)
{
    TcsComparison *comparison = g_new0(TcsComparison, 1);

    comparison->rows = g_array_new(FALSE, TRUE, sizeof(TcsComparisonRow));
    comparison->methods = g_array_new(FALSE, TRUE, sizeof(TcsComparedMethod));
    g_array_set_clear_func(comparison->methods, clear_method);
    /* The hypervisor is the first: the others are held against it. */
    for (guint i = 0; tcs_methods[i]; i++) {
        add_method(comparison, sample, tcs_methods[i], clocks, host_slew_ppm);
    }
    g_array_sort_with_data(comparison->rows, order, clocks);
    return comparison;
}

void tcs_comparison_free(TcsComparison *comparison)
{
    if (comparison) {
        g_array_unref(comparison->rows);
        g_array_unref(comparison->methods);
        g_free(comparison);
    }
}
