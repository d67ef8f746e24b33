/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clock snapshots of a Perfetto trace (protobuf): what several clocks showed at
 * one moment. Knows nothing of VMs.
 */
#ifndef FORMATS_PERFETTO_SNAPSHOT_H
#define FORMATS_PERFETTO_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clocks one snapshot may have. */
#define TCS_PERFETTO_CLOCKS_MAX 512

/* More than any snapshot takes. */
#define TCS_PERFETTO_PACKET_MAX (TCS_PERFETTO_CLOCKS_MAX * 20 + 32)

struct tcs_perfetto_clock {
    uint32_t id;
    uint64_t ns;
};

/*
 * Perfetto's number (BuiltinClock in builtin_clock.proto) of a clock of
 * ftrace's name, and its name there; 0 and NULL where it has none.
 */
uint32_t tcs_perfetto_builtin_id(const char *clock);
const char *tcs_perfetto_builtin_name(const char *clock);

/*
 * The number of a clock of our own, valid in all of a trace: FNV-1a of its name
 * with the highest bit set, as Perfetto's "Synchronization of multiple clock
 * domains" wants it.
 */
uint32_t tcs_perfetto_global_id(const char *name);

/*
 * Writes a TracePacket with one ClockSnapshot as an element of a Trace, so that
 * packets written one after the other are a trace, or the continuation of one.
 * n_clocks is 1 to TCS_PERFETTO_CLOCKS_MAX. Returns its size.
 */
size_t tcs_perfetto_snapshot(const struct tcs_perfetto_clock *clocks,
                             size_t n_clocks, uint32_t sequence_id,
                             uint8_t ret_packet[TCS_PERFETTO_PACKET_MAX]);

#endif
