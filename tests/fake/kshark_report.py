#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A referee of its own: what KernelShark's library makes of trace.dat files, as JSON.

kshark_report.py LIBRARY FILE...: opened one after the other, as `kernelshark FILE -a FILE` does. A program and
not a module, because the library has one session a process. Opaque to it is all but two structures,
which belong to the ABI of libkshark.so.2.
"""
import ctypes
import json
import sys


class Entry(ctypes.Structure):
    """struct kshark_entry"""
    _fields_ = [("next", ctypes.c_void_p), ("visible", ctypes.c_uint16),
                ("stream_id", ctypes.c_int16), ("event_id", ctypes.c_int16),
                ("cpu", ctypes.c_int16), ("pid", ctypes.c_int32), ("offset", ctypes.c_int64),
                ("ts", ctypes.c_int64)]


class HostGuestMap(ctypes.Structure):
    """struct kshark_host_guest_map"""
    _fields_ = [("guest_id", ctypes.c_int), ("host_id", ctypes.c_int),
                ("guest_name", ctypes.c_char_p), ("vcpu_count", ctypes.c_int),
                ("cpu_pid", ctypes.POINTER(ctypes.c_int))]


def load(path):
    """The library with the prototypes of what is called."""
    library = ctypes.CDLL(path)
    pointer, entry = ctypes.c_void_p, ctypes.POINTER(Entry)
    for name, result, *arguments in (
            ("kshark_instance", ctypes.c_bool, ctypes.POINTER(pointer)),
            ("kshark_open", ctypes.c_int, pointer, ctypes.c_char_p),
            ("kshark_tep_init_all_buffers", ctypes.c_int, pointer, ctypes.c_int),
            ("kshark_load_entries", ctypes.c_ssize_t, pointer, ctypes.c_int,
             ctypes.POINTER(ctypes.POINTER(entry))),
            ("kshark_load_all_entries", ctypes.c_ssize_t, pointer,
             ctypes.POINTER(ctypes.POINTER(entry))),
            ("kshark_append_all_entries", ctypes.c_ssize_t, pointer, ctypes.POINTER(entry),
             ctypes.c_ssize_t, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(entry))),
            ("kshark_event_from_id", ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
            ("kshark_read_event_field_int", ctypes.c_int, entry, ctypes.c_char_p,
             ctypes.POINTER(ctypes.c_int64)),
            ("kshark_tracecmd_get_hostguest_mapping", ctypes.c_int,
             ctypes.POINTER(ctypes.POINTER(HostGuestMap)))):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Session:
    def __init__(self, library):
        self.library = load(library)
        self.context = ctypes.c_void_p()
        assert self.library.kshark_instance(self.context)
        self.rows, self.count, self.names = ctypes.POINTER(ctypes.POINTER(Entry))(), 0, {}

    def open(self, path):
        """The stream's number. Its entries are merged into those of the streams before it."""
        stream = self.library.kshark_open(self.context, path.encode())
        assert stream >= 0, f"kshark_open({path}): {stream}"
        assert self.library.kshark_tep_init_all_buffers(self.context, stream) >= 0
        rows = ctypes.POINTER(ctypes.POINTER(Entry))()
        if stream == 0:
            self.count = self.library.kshark_load_all_entries(self.context, rows)
        else:
            self.count = self.library.kshark_append_all_entries(self.context, self.rows, self.count,
                                                                stream, rows)
        assert self.count >= 0, f"entries of {path}: {self.count}"
        self.rows = rows
        return stream

    def _row(self, entry):
        e, number = entry.contents, ctypes.c_int64(-1)
        key = e.stream_id, e.event_id
        if key not in self.names:
            self.names[key] = self.library.kshark_event_from_id(*key).decode()
        self.library.kshark_read_event_field_int(entry, b"number", number)
        return e.stream_id, e.pid, e.cpu, e.ts, self.names[key].split("/")[-1], number.value

    def entries(self):
        """[(stream, pid, CPU, ns, event, its field "number")] in the order of the list's window."""
        return [self._row(self.rows[i]) for i in range(self.count)]

    def guests(self):
        """What the dialog of the KVM Combo plots offers: [(guest's stream, host's, name, threads)]."""
        found = ctypes.POINTER(HostGuestMap)()
        count = self.library.kshark_tracecmd_get_hostguest_mapping(found)
        return [(m.guest_id, m.host_id, m.guest_name.decode(), m.cpu_pid[:m.vcpu_count])
                for m in found[:max(count, 0)]]


def main():
    session = Session(sys.argv[1])
    streams = [session.open(path) for path in sys.argv[2:]]
    json.dump({"streams": streams, "entries": session.entries(), "guests": session.guests()},
              sys.stdout)


if __name__ == "__main__":
    main()
