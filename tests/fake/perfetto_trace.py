# SPDX-License-Identifier: GPL-2.0-or-later
"""Clock snapshots of a Perfetto trace, decoded, and what Perfetto makes of them. Not a test."""
import bisect
import re


def _varint(data, position):
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            return value, position


def _fields(data):
    """[(number, value)] of a message: an int, or bytes"""
    fields, position = [], 0
    while position < len(data):
        key, position = _varint(data, position)
        value, position = _varint(data, position)
        if key & 7 == 2:
            value, position = data[position:position + value], position + value
            assert position <= len(data), "cut off"
        else:
            assert key & 7 == 0, key
        fields.append((key >> 3, value))
    return fields


def snapshots(data):
    """[{clock: ns}] of a trace that is nothing but snapshots of one sequence"""
    result = []
    for number, packet in _fields(data):
        assert number == 1, number
        fields = dict(_fields(packet))
        assert set(fields) == {6, 10} and fields[10] == 1, fields
        clocks = [dict(_fields(clock)) for _, clock in _fields(fields[6])]
        assert all(set(clock) == {1, 2} for clock in clocks), clocks
        result.append({clock[1]: clock[2] for clock in clocks})
        assert len(result[-1]) == len(clocks), "a clock twice"
    return result


def decoded_by_protoc(text):
    """the same of what protoc --decode_raw prints"""
    return [{int(clock): int(ns) for clock, ns in re.findall(r"1: (\d+)\s+2: (\d+)", packet)}
            for packet in re.split(r"^1 \{$", text, flags=re.M)[1:]]


def global_id(name):
    """a global clock's number, as Perfetto's documentation computes it"""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 % (1 << 32)
    return value | 0x80000000


def convert(all_snapshots, source, target, stamp):
    """Perfetto's way: by the latest snapshot of the source at or before the stamp, else the
    first one"""
    both = [s for s in all_snapshots if source in s and target in s]
    at = bisect.bisect_right([s[source] for s in both], stamp)
    chosen = both[max(at - 1, 0)]
    return stamp - chosen[source] + chosen[target]
