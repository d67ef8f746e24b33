/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sync log as timelines: every clock of host and guest over the host's
 * counter, and conversions between any two of them.
 */
#ifndef COLLECTOR_MODEL_H
#define COLLECTOR_MODEL_H

#include "log.h"

G_BEGIN_DECLS

typedef struct TcsModel TcsModel;
typedef struct TcsModelClock TcsModelClock;

/*
 * From a log in memory, which it does not need afterwards. TCS_ERROR_REFUSED
 * where it has no sample.
 */
TcsModel *tcs_model_new(const TcsLog *log, GError **error);

/*
 * From a file, sample by sample, so that memory is little more than 32 bytes
 * a reading. *ret_log is the log without its samples, for its warnings; the
 * caller frees it. TCS_ERROR_FILE, with no log; TCS_ERROR_REFUSED where it has
 * no sample.
 */
TcsModel *tcs_model_load(const char *path, TcsLog **ret_log, GError **error);
void tcs_model_free(TcsModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsModel, tcs_model_free)

/*
 * What was left out of the model, and why: of char *. Belongs to the model.
 */
const GPtrArray *tcs_model_warnings(const TcsModel *model);

/*
 * A clock by name: "host:mono", "guest:boot", "host:x86-tsc",
 * "guest:x86-tsc" or, for one guest CPU's counter, "guest:x86-tsc@CPU". Belongs
 * to the model. TCS_ERROR_USAGE where no clock is called so; TCS_ERROR_REFUSED
 * where this log has none, or the guest's CPUs are not known to have the same
 * counter and none was named. Both list what there is.
 */
const TcsModelClock *tcs_model_find(TcsModel *model, const char *name,
                                    GError **error);

/* All that tcs_model_find() finds by their own names: of TcsModelClock. The
 * model's. */
const GPtrArray *tcs_model_clocks(const TcsModel *model);

/* Its name, and what its values are: "ns", "ticks" or "events". The clock's. */
const char *tcs_model_clock_name(const TcsModelClock *clock);
const char *tcs_model_clock_unit(const TcsModelClock *clock);

/* Whether there are clocks "name@CPU". */
gboolean tcs_model_has_per_cpu(const TcsModel *model, const char *name);

/*
 * Every value `to` may have shown while `from` showed `value`: ns, ticks of a
 * counter, which pass through as unsigned, or a number of events. From a number
 * of events that is while the event with this number happened; to one, the
 * number given out last. A clock in itself is `value`, where its time is known.
 * TCS_ERROR_REFUSED with the reason where the time is unknown.
 */
gboolean tcs_model_convert(const TcsModel *model, const TcsModelClock *from,
                           const TcsModelClock *to, guint64 value,
                           guint64 *ret_lo, guint64 *ret_hi, GError **error);

/*
 * The same with, in *ret_likely, the most likely value in [*ret_lo, *ret_hi]:
 * what to show where one value must be shown. Where an interval is wide because
 * something may have happened in it, its middle is what nothing would explain.
 */
gboolean tcs_model_convert_likely(const TcsModel *model,
                                  const TcsModelClock *from,
                                  const TcsModelClock *to, guint64 value,
                                  guint64 *ret_lo, guint64 *ret_hi,
                                  guint64 *ret_likely, GError **error);

/*
 * Many conversions between the same two clocks, most of them of about the same
 * time: tcs_model_convert()'s answers, sooner. The model outlives it.
 */
typedef struct TcsModelCursor TcsModelCursor;

TcsModelCursor *tcs_model_cursor_new(const TcsModelClock *from,
                                     const TcsModelClock *to);
void tcs_model_cursor_free(TcsModelCursor *cursor);
gboolean tcs_model_cursor_convert(TcsModelCursor *cursor, guint64 value,
                                  guint64 *ret_lo, guint64 *ret_hi,
                                  GError **error);

/* Whether its values are nanoseconds, and not ticks or events. */
gboolean tcs_model_clock_is_time(const TcsModelClock *clock);

G_END_DECLS

#endif
