/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which two clocks of a log a line's time is converted between: a clock that
 * each CPU has of its own is found by the CPU that the line names.
 */
#ifndef COLLECTOR_CONVERT_CLOCKS_H
#define COLLECTOR_CONVERT_CLOCKS_H

#include "model.h"

G_BEGIN_DECLS

typedef struct TcsConvertClocks TcsConvertClocks;

/*
 * `path` is the model's log, which is read again where CPUs are to be told
 * apart. Errors of tcs_model_find(); TCS_ERROR_USAGE for clocks that lines
 * cannot tell. The model outlives it.
 */
TcsConvertClocks *tcs_convert_clocks_new(TcsModel *model, const char *path,
                                         const char *from, const char *to,
                                         GError **error);
void tcs_convert_clocks_free(TcsConvertClocks *clocks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TcsConvertClocks, tcs_convert_clocks_free)

/* Whether their values are nanoseconds, and not ticks or events. */
gboolean tcs_convert_clocks_from_is_time(const TcsConvertClocks *clocks);
gboolean tcs_convert_clocks_to_is_time(const TcsConvertClocks *clocks);

/*
 * For a line of this CPU, or of -1 where it names none. NULL where the log
 * cannot tell, and *ret_reason why; both belong to `clocks`.
 */
TcsModelCursor *tcs_convert_clocks_find(TcsConvertClocks *clocks, gint64 cpu,
                                        const char **ret_reason);

G_END_DECLS

#endif
