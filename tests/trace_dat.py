# SPDX-License-Identifier: GPL-2.0-or-later
# Writes small trace.dat files, byte by byte, that trace-cmd reads: one event format a name, pages of
# a ring buffer, and the chain of options. Knows nothing of clocks.
import struct

MAGIC = b"\x17\x08\x44tracing"
PAGE = 4096
HEADER_PAGE = b"""\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;
"""
HEADER_EVENT = b"""# compressed entry header
\ttype_len    :    5 bits
\ttime_delta  :   27 bits
\tarray       :   32 bits

\tpadding     : type == 29
\ttime_extend : type == 30
\ttime_stamp : type == 31
\tdata max type_len  == 28
"""
COMMON = """\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:unsigned int %(field)s;\toffset:8;\tsize:4;\tsigned:0;

print fmt: "%%u", REC->%(field)s
"""
# name: (system, id)
EVENTS = {"kvm_entry": ("kvm", 500), "kvm_exit": ("kvm", 501), "tick": ("test", 502),
          "kvm_guest_enter": ("kvm_hv", 503), "kvm_guest_exit": ("kvm_hv", 504)}
(DONE, DATE, BUFFER, TRACECLOCK, UNAME, OFFSET, CPUCOUNT, TRACEID, TIME_SHIFT, GUEST,
 TSC2NSEC) = 0, 1, 3, 4, 5, 7, 8, 11, 12, 13, 14
STRINGS, HEADER_INFO, FTRACE, FORMATS, KALLSYMS, PRINTK, CMDLINES = 15, 16, 17, 18, 19, 20, 21


def pages(order, events):
    """Ring buffer pages of one CPU: events are (time, name, pid, number) in order."""
    out, data, start, last = [], b"", None, None

    def flush():
        if start is not None:
            out.append((struct.pack(order + "QQ", start, len(data)) + data).ljust(PAGE, b"\0"))

    for time, name, pid, number in events:
        if start is None or len(data) > PAGE - 16 - 64:
            flush()
            data, start, last = b"", time, time
        delta = time - last
        if delta >= 1 << 27:
            data += word(order, 30, delta & ((1 << 27) - 1)) + struct.pack(order + "I", delta >> 27)
            delta = 0
        data += word(order, 3, delta) + struct.pack(order + "HBBiI", EVENTS[name][1], 0, 0, pid,
                                                    number)
        last = time
    flush()
    return b"".join(out)


def word(order, kind, delta):
    # The bits of a C bit field: from the low end in a little-endian machine.
    return struct.pack(order + "I", kind | delta << 5 if order == "<" else kind << 27 | delta)


def option(order, number, data):
    return struct.pack(order + "HI", number, len(data)) + data


class TraceDat:
    """cpus: {number: [(time, event, pid, number)]}; options: bytes put before BUFFER's."""

    def __init__(self, clock, cpus, options=b"", order="<", pad_options=0, instance=None):
        self.order, self.data = order, bytearray()
        self.data += MAGIC + b"7\0" + bytes([order == ">", 8]) + struct.pack(order + "I", PAGE)
        self.data += b"none\0\0"
        header_link = len(self.data)
        self.data += bytes(8)
        text = b"options\0data\0"
        self._section(STRINGS, text)
        found = b""
        parts = {HEADER_INFO: b"header_page\0" + self._sized(HEADER_PAGE) +
                 b"header_event\0" + self._sized(HEADER_EVENT),
                 FTRACE: struct.pack(order + "I", 0), FORMATS: self._formats(),
                 KALLSYMS: struct.pack(order + "I", 0), PRINTK: struct.pack(order + "I", 0),
                 CMDLINES: self._sized(b"100 vcpu0\n101 vcpu1\n7 task\n")}
        for number, content in parts.items():
            found += option(order, number, struct.pack(order + "Q", len(self.data)))
            self._section(number, content)
        buffers = self._buffer(b"", clock, cpus)
        if instance is not None:
            buffers += self._buffer(instance, clock, cpus)
        self.options_at = len(self.data)
        struct.pack_into(order + "Q", self.data, header_link, self.options_at)
        chain = option(order, CPUCOUNT, struct.pack(order + "I", max(cpus, default=0) + 1))
        chain += option(order, TRACECLOCK, f"[{clock}] other\0".encode())
        chain += option(order, UNAME, b"Linux test\0" + bytes(pad_options))
        chain += options + found + buffers
        self._section(0, chain + option(order, DONE, bytes(8)))
        self.done_at = len(self.data) - 8

    def _sized(self, text):
        return struct.pack(self.order + "Q", len(text)) + text

    def _section(self, number, content):
        self.data += struct.pack(self.order + "HHIQ", number, 0, 0, len(content)) + content

    def _formats(self):
        systems = {}
        for name, (system, number) in EVENTS.items():
            field = {"field": "number" if system == "test" else "vcpu_id"}
            text = f"name: {name}\nID: {number}\nformat:\n{COMMON % field}".encode()
            systems.setdefault(system, []).append(self._sized(text))
        out = struct.pack(self.order + "I", len(systems))
        for system, texts in systems.items():
            out += system.encode() + b"\0" + struct.pack(self.order + "I", len(texts))
            out += b"".join(texts)
        return out

    def _buffer(self, name, clock, cpus):
        at = len(self.data)
        begin = (at + 16 + PAGE - 1) // PAGE * PAGE
        data, table = b"", b""
        for cpu, events in cpus.items():
            content = pages(self.order, events)
            table += struct.pack(self.order + "IQQ", cpu, begin + len(data), len(content))
            data += content
        self._section(BUFFER, bytes(begin - at - 16) + data)
        return option(self.order, BUFFER, struct.pack(self.order + "Q", at) + name + b"\0" +
                      clock.encode() + b"\0" + struct.pack(self.order + "II", PAGE, len(cpus)) +
                      table)

    def write(self, path):
        path.write_bytes(self.data)
        return path


def options(data):
    """[(id, bytes)] of a file's whole chain, in its order; DONE left out."""
    order = ">" if data[12] else "<"
    at = len(MAGIC) + 2 + 2 + 4
    for _ in range(2):
        at = data.index(b"\0", at) + 1
    found = []
    section, = struct.unpack_from(order + "Q", data, at)
    while section:
        assert struct.unpack_from(order + "HH", data, section) == (0, 0), section
        at = section + 16
        while True:
            number, size = struct.unpack_from(order + "HI", data, at)
            content = bytes(data[at + 6:at + 6 + size])
            assert len(content) == size, (number, size)
            at += 6 + size
            if number == DONE:
                section, = struct.unpack(order + "Q", content)
                break
            found.append((number, content))
    return found
