# SPDX-License-Identifier: GPL-2.0-or-later
"""Small CTF 1.8 traces, and babeltrace2's reading of them. Not a test itself."""
import re
import shutil
import struct
import subprocess

BABELTRACE = shutil.which("babeltrace2")

# One packet, one kind of event with a number in it.
METADATA = """/* CTF 1.8 */
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
trace { major = 1; minor = 8; byte_order = le; };
%(clock)s
typealias integer { size = 64; align = 8; signed = false; map = clock.%(name)s.value; } := stamp_t;
stream { event.header := struct { stamp_t timestamp; }; };
event { name = "%(event)s"; fields := struct { uint64_t number; }; };
"""

# As LTTng writes it, but for what it measures the offset with.
LTTNG_CLOCK = """clock {
    name = "monotonic";
    uuid = "%(uuid)s";
    description = "Monotonic Clock";
    freq = 1000000000;
    offset = %(offset)d;
};"""
SHOWN = re.compile(r"\[(-?)(\d+)\.(\d{9})\].*? (\w+): .*number = (\d+)")


def lttng_clock(uuid, offset):
    return LTTNG_CLOCK % {"uuid": uuid, "offset": offset}


def write(folder, clock, event, stamps):
    """A trace with an event of this name at each stamp, numbered from 0."""
    folder.mkdir()
    name = re.search(r'name = "?(\w+)', clock).group(1)
    (folder / "metadata").write_text(METADATA % {"clock": clock, "name": name, "event": event})
    (folder / "stream").write_bytes(
        b"".join(struct.pack("<QQ", stamp, number) for number, stamp in enumerate(stamps)))
    return folder


def read(command):
    """{(event, number): ns} of what a shell command that runs babeltrace2 shows."""
    done = subprocess.run(command.strip() + " --clock-seconds", shell=True, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, (command, done.stderr)
    shown = {}
    for line in done.stdout.splitlines():
        sign, seconds, ns, event, number = SHOWN.match(line).groups()
        value = int(seconds) * 10**9 + int(ns)
        shown[event, int(number)] = -value if sign else value
    return shown
