/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest CPU's counter over a whole recording where no hypervisor tells: one
 * line for each stretch in which a single line explains all answers.
 */
#ifndef COLLECTOR_COUNTER_LINES_H
#define COLLECTOR_COUNTER_LINES_H

#include "evidence.h"

G_BEGIN_DECLS

typedef struct TcsCounterLines TcsCounterLines;

TcsCounterLines *tcs_counter_lines_new(gint64 cpu);
void tcs_counter_lines_free(TcsCounterLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsCounterLines, tcs_counter_lines_free)

/*
 * Adds the ties (of TcsTie) of this CPU out of one sample; samples come in
 * their order. A stretch ends where the guest's boot id is another one, and
 * where ties contradict it; in the latter case the last sample that did not yet
 * contradict is in neither stretch: it may have been taken while it happened.
 */
void tcs_counter_lines_add(TcsCounterLines *lines, const GArray *ties,
                           const char *boot_id);

/*
 * What the counter may have shown at any moment of `at`. Before the first
 * stretch and after the last one these go on. 0; -ENODATA where that is not
 * known.
 */
int tcs_counter_lines_at(const TcsCounterLines *lines, struct tcs_host_span at,
                         struct tcs_guest_span *ret_guest);

/*
 * When the counter showed a value: in a stretch if it can have, else before the
 * first or after the last. 0; -ENODATA where that is not known; -ENOTUNIQ where
 * it may have done so in more than one stretch.
 */
int tcs_counter_lines_when(const TcsCounterLines *lines,
                           struct tcs_guest_ticks value,
                           struct tcs_host_span *ret_when);

G_END_DECLS

#endif
