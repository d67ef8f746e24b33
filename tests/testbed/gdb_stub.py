# SPDX-License-Identifier: GPL-2.0-or-later
# What an emulated machine's hardware holds: registers of its CPUs, read through QEMU's gdb stub, while
# the whole machine and its time stand still. It knows nothing of what the registers mean.
import re
import socket

SECONDS = 60
CHUNK = 0x800


class GdbStub:
    """A connection to a stub's Unix socket; the machine stands still until it is closed."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._ask("D")
        finally:
            self._file.close()
            self._socket.close()

    def _ask(self, words):
        """The answer to a packet, its escapes undone."""
        data = words.encode()
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) % 256))
        # The stub's acknowledgement, "$", the answer, "#" and a checksum. Not acknowledged: the next packet
        # does for that, and after the last one it would stop the machine again.
        answer = b""
        while not answer.endswith(b"#"):
            byte = self._file.read(1)
            if not byte:
                raise RuntimeError(f"gdb stub: no answer to {words}")
            answer = b"" if byte == b"$" else answer + byte
        self._file.read(2)
        return re.sub(rb"}(.)", lambda m: bytes([m[1][0] ^ 0x20]), answer[:-1], flags=re.DOTALL)

    def _document(self, name):
        text, more = b"", b"m"
        while more == b"m":
            part = self._ask(f"qXfer:features:read:{name}:{len(text):x},{CHUNK:x}")
            more, text = part[:1], text + part[1:]
            if more not in (b"m", b"l"):
                raise RuntimeError(f"gdb stub: {name}: {part!r}")
        return text.decode()

    def number(self, feature, name):
        """The number of the register of that name in a feature's description."""
        # The stub gives out registers only to who has asked for this one.
        self._document("target.xml")
        found = re.search(rf'<reg name="{name}"[^>]* regnum="(\d+)"', self._document(feature))
        if not found:
            raise RuntimeError(f"gdb stub: {feature} has no {name}")
        return int(found.group(1))

    def read(self, cpu, number):
        """A register of a CPU (0 is the first), unsigned; bytes are in the target's order, little."""
        chosen, value = self._ask(f"Hg{cpu + 1:x}"), self._ask(f"p{number:x}")
        if chosen != b"OK" or not re.fullmatch(rb"([0-9a-f]{2})+", value):
            raise RuntimeError(f"gdb stub: register {number} of CPU {cpu}: {chosen!r}, {value!r}")
        return int.from_bytes(bytes.fromhex(value.decode()), "little")
