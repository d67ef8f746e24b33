/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See perfetto-snapshot.h. Field numbers: protos/perfetto/trace/trace.proto,
 * trace_packet.proto and clock_snapshot.proto of Perfetto.
 */
#include "perfetto-snapshot.h"

#include <assert.h>
#include <string.h>

enum {
    TRACE_PACKET = 1,
    PACKET_CLOCK_SNAPSHOT = 6,
    PACKET_SEQUENCE_ID = 10,
    SNAPSHOT_CLOCKS = 1,
    CLOCK_ID = 1,
    CLOCK_TIMESTAMP = 2,
};

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static const struct {
    const char *ftrace, *perfetto;
    uint32_t id;
} builtins[] = {
    { "realtime", "REALTIME", 1 },
    { "mono", "MONOTONIC", 3 },
    { "mono_raw", "MONOTONIC_RAW", 5 },
    { "boot", "BOOTTIME", 6 },
};

#define N_BUILTINS (sizeof(builtins) / sizeof(builtins[0]))

uint32_t tcs_perfetto_builtin_id(const char *clock)
{
    for (size_t i = 0; i < N_BUILTINS; i++) {
        if (strcmp(builtins[i].ftrace, clock) == 0) {
            return builtins[i].id;
        }
    }
    return 0;
}

const char *tcs_perfetto_builtin_name(const char *clock)
{
    for (size_t i = 0; i < N_BUILTINS; i++) {
        if (strcmp(builtins[i].ftrace, clock) == 0) {
            return builtins[i].perfetto;
        }
    }
    return NULL;
}

uint32_t tcs_perfetto_global_id(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name; name++) {
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    }
    return hash | 0x80000000u;
}

/* Each returns where the next byte goes. */
static uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        *out++ = (uint8_t)(value | 0x80);
    }
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_number(uint8_t *out, unsigned int field, uint64_t value)
{
    return put_varint(put_varint(out, field << 3 | WIRE_VARINT), value);
}

static uint8_t *put_bytes(uint8_t *out, unsigned int field,
                          const uint8_t *bytes, size_t n)
{
    out = put_varint(put_varint(out, field << 3 | WIRE_BYTES), n);
    memcpy(out, bytes, n);
    return out + n;
}

size_t tcs_perfetto_snapshot(const struct tcs_perfetto_clock *clocks,
                             size_t n_clocks, uint32_t sequence_id,
                             uint8_t ret_packet[TCS_PERFETTO_PACKET_MAX])
{
    uint8_t snapshot[TCS_PERFETTO_PACKET_MAX], packet[TCS_PERFETTO_PACKET_MAX];
    uint8_t *snapshot_end = snapshot, *packet_end;

    assert(n_clocks > 0 && n_clocks <= TCS_PERFETTO_CLOCKS_MAX);
    for (size_t i = 0; i < n_clocks; i++) {
        uint8_t clock[32];
        uint8_t *end = put_number(clock, CLOCK_ID, clocks[i].id);

        end = put_number(end, CLOCK_TIMESTAMP, clocks[i].ns);
        snapshot_end = put_bytes(snapshot_end, SNAPSHOT_CLOCKS, clock,
                                 (size_t)(end - clock));
    }
    packet_end = put_bytes(packet, PACKET_CLOCK_SNAPSHOT, snapshot,
                           (size_t)(snapshot_end - snapshot));
    packet_end = put_number(packet_end, PACKET_SEQUENCE_ID, sequence_id);
    return (size_t)(put_bytes(ret_packet, TRACE_PACKET, packet,
                              (size_t)(packet_end - packet)) -
                    ret_packet);
}
