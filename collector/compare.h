/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All methods side by side on one sample: every one of them places the same
 * guest readings, so that nothing but the method differs.
 */
#ifndef COLLECTOR_COMPARE_H
#define COLLECTOR_COMPARE_H

#include "offsets.h"

G_BEGIN_DECLS

typedef struct {
    TcsOffset offset;
    /* Against the hypervisor's answer; has_truth is FALSE where it has none. */
    gboolean has_truth;
    gint64 difference; /* this method's offset - the hypervisor's */
    gboolean holds;    /* both bounds admit one and the same offset */
} TcsComparisonRow;

typedef struct {
    const TcsMethod *method;
    gint64 took_us; /* its questions; not the guest's reading, common to all */
    char *reason;   /* why it does not work here; NULL: it does */
} TcsComparedMethod;

typedef struct {
    GArray *rows;    /* of TcsComparisonRow: clock by clock, tightest first */
    GArray *methods; /* of TcsComparedMethod */
    guint contradictions; /* refused because data contradict each other */
} TcsComparison;

/*
 * `sample` (placed by one method after the other meanwhile) has the guest's
 * readings and every method's evidence. `clocks`: the guest clocks to compare.
 */
TcsComparison *tcs_comparison_new(TcsSample *sample, char **clocks,
                                  guint host_slew_ppm);
void tcs_comparison_free(TcsComparison *comparison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsComparison, tcs_comparison_free)

/* Tables, or one JSON document; either ends in a newline. */
char *tcs_comparison_text(const char *vm, const TcsSample *sample,
                          const TcsComparison *comparison);
char *tcs_comparison_json(const char *vm, const TcsSample *sample,
                          const TcsComparison *comparison);

G_END_DECLS

#endif
